"""What command lines read."""

from typing import get_args

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from tune_s11.cli.options import SeedOption, duration, fraction, inner_fraction, whole_number, whole_number_or_auto
from tune_s11.config import InputError
from tune_s11.search_space import load_space
from tune_s11.text import format_seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45.0), ("90m", 5400.0), ("2h", 7200.0), ("1h30m", 5400.0), ("1h1m1s", 3661.0)]
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "2", "h", "-1h", "1.5h", "30m1h", "1e3s", "1h 30m", "9999999h"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected a time such as 90m"):
        duration(text)


@given(st.integers(1, 599))
def test_whole_seconds_are_read_as_told(seconds: int) -> None:
    told = format_seconds(seconds).replace("min", "m").replace(" ", "")
    assert duration(told) == seconds


def test_a_number_may_be_left_to_the_program() -> None:
    assert whole_number_or_auto("auto") == "auto"
    assert whole_number_or_auto("3") == 3
    with pytest.raises(typer.BadParameter, match=r"^.many.: expected a whole number from 1 or auto$"):
        whole_number_or_auto("many")


def test_a_whole_number_may_have_bounds() -> None:
    read = whole_number(2, 4)
    assert [read("2"), read("4")] == [2, 4]
    for text in ("1", "5", "-3", "3.0", "many"):
        with pytest.raises(typer.BadParameter, match=f"^'{text}': expected a whole number from 2 to 4$"):
            read(text)


def test_a_seed_that_a_search_would_refuse_is_refused_by_its_option() -> None:
    parser = get_args(SeedOption)[1].parser
    most = 2**31 - 1
    assert load_space("quick").with_overrides({"search.seed": str(parser(str(most)))}).search.seed == most
    with pytest.raises(InputError, match=r"search\.seed"):
        load_space("quick").with_overrides({"search.seed": str(most + 1)})
    with pytest.raises(typer.BadParameter, match=f"^'{most + 1}': expected a whole number from 0 to {most}$"):
        parser(str(most + 1))


def test_an_accuracy_is_a_fraction_and_one_to_reach_is_neither_0_nor_1() -> None:
    assert [fraction("0"), fraction("1"), inner_fraction("0.9")] == [0.0, 1.0, 0.9]
    for text in ("0", "1", "-0.5", "90", "nan", "much"):
        with pytest.raises(typer.BadParameter, match=rf"^must be above 0 and below 1 \(got {text}\)$"):
            inner_fraction(text)
    with pytest.raises(typer.BadParameter, match=r"^must be between 0 and 1 \(got 90\)$"):
        fraction("90")
