"""What command lines read, and commands that they tell the user to type."""

from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from tune_s11.console import in_time, span_of_time, storage_option, whole_number_or_auto


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45.0), ("90m", 5400.0), ("2h", 7200.0), ("1h30m", 5400.0), ("1h1m1s", 3661.0)]
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert span_of_time(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "2", "h", "-1h", "1.5h", "30m1h", "1e3s", "1h 30m", "9999999h"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="allowed is a time such as 90m"):
        span_of_time(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.44 s"),
        (9.2, "9.2 s"),
        (12.3, "12 s"),
        (125, "2 min 5 s"),
        (599.7, "10 min 0 s"),
        (2280, "38 min"),
        (7500, "2 h 5 min"),
        (4e6, "1,111 h 7 min"),
    ],
)
def test_times_are_told(seconds: float, text: str) -> None:
    assert in_time(seconds) == text


@given(st.integers(1, 599))
def test_whole_seconds_are_read_as_told(seconds: int) -> None:
    told = in_time(seconds).replace("min", "m").replace(" ", "")
    assert span_of_time(told) == seconds


@pytest.mark.parametrize(
    ("folder", "option"),
    [
        ("results/a", ""),
        ("elsewhere/a", " --storage elsewhere"),
        ("my results/a", " --storage 'my results'"),
        ("/mnt/results/a", " --storage /mnt/results"),
    ],
)
def test_storage_is_named_where_it_is_not_the_default(
    folder: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage_option(Path(folder)) == option
    assert storage_option(Path(folder).resolve()) == option


def test_a_number_may_be_left_to_the_program() -> None:
    assert whole_number_or_auto("auto") is None
    assert whole_number_or_auto("3") == 3
    with pytest.raises(typer.BadParameter, match=r"^.many.: allowed is a whole number from 1 or auto$"):
        whole_number_or_auto("many")
