"""What command lines read."""

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from tune_s11.cli.options import span_of_time, whole_number_or_auto
from tune_s11.text import in_time


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45.0), ("90m", 5400.0), ("2h", 7200.0), ("1h30m", 5400.0), ("1h1m1s", 3661.0)]
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert span_of_time(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "2", "h", "-1h", "1.5h", "30m1h", "1e3s", "1h 30m", "9999999h"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected a time such as 90m"):
        span_of_time(text)


@given(st.integers(1, 599))
def test_whole_seconds_are_read_as_told(seconds: int) -> None:
    told = in_time(seconds).replace("min", "m").replace(" ", "")
    assert span_of_time(told) == seconds


def test_a_number_may_be_left_to_the_program() -> None:
    assert whole_number_or_auto("auto") is None
    assert whole_number_or_auto("3") == 3
    with pytest.raises(typer.BadParameter, match=r"^.many.: expected a whole number from 1 or auto$"):
        whole_number_or_auto("many")
