"""Lines for people."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tune_s11.text import did_you_mean, format_bytes, format_seconds, number_hint, printable, say, short


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("as it is, é", "as it is, é"),
        (" two\n  lines\t", "two lines"),
        ("red \x1b[31m", "red \\x1b[31m"),
        ("half \ud7fc a pair \udcff", "half \\ud7fc a pair \\udcff"),
    ],
)
def test_a_message_is_one_line_that_a_terminal_cannot_obey(message: str, line: str) -> None:
    assert printable(message) == line


@given(st.text())
def test_any_message_is_printable(message: str) -> None:
    assert printable(message).isprintable()
    assert printable(printable(message)) == printable(message)


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
def test_times_are_printed_with_their_units(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(("size", "words"), [(0, "0.0 MB"), (78_877_560, "78.9 MB"), (1_234_567_890, "1.23 GB")])
def test_sizes_in_words(size: int, words: str) -> None:
    assert format_bytes(size) == words


def test_a_line_is_printed_as_it_is() -> None:
    line = "[red]no markup[/red] and /no/:x:/emoji " + "and longer than any terminal " * 20
    printed = io.StringIO()
    say(Console(file=printed, width=40), line)
    assert printed.getvalue() == f"{line}\n"


@pytest.mark.parametrize(("copied", "lines"), [(False, ["one two", "three"]), (True, ["one two three"])])
def test_a_terminal_gets_it_folded_between_words_unless_it_is_to_be_copied(copied: bool, lines: list[str]) -> None:
    printed = io.StringIO()
    say(Console(file=printed, width=11, force_terminal=True, color_system=None), "one two three", copied=copied)
    assert [line.rstrip() for line in printed.getvalue().splitlines()] == lines


def test_floats_have_four_digits_and_whole_numbers_all() -> None:
    assert [short(value) for value in (0.123456, 16384, 1e-5, "plateau")] == ["0.1235", "16384", "1e-05", "plateau"]


def test_spaces_in_names_stay() -> None:
    """Of a path in an error line, and of the command that mends it, which is copied."""
    assert printable("'/a  b/c': is\n  not there\t;") == "'/a  b/c': is not there\\t;"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("1e-4", "write 0.0001"),
        ("5E3", "write 5000.0"),
        ("1e-7", "write 1.0e-07"),
        ("123456789e-20", "write 1.23456789e-12"),
        ("0.1", "without quotes"),
        ("fast", ""),
        ("", ""),
    ],
)
def test_number_hint(text: str, advice: str) -> None:
    hint = number_hint(text)
    assert advice in hint
    assert bool(hint) == bool(advice)


def test_did_you_mean() -> None:
    assert did_you_mean("epoch", ["epochs", "width"]) == "; did you mean epochs?"
    assert did_you_mean("xyzzy", ["epochs", "width"]) == "; expected one of epochs, width"
