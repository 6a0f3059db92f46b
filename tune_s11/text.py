"""Formats text for people: printable lines, advice, and times and sizes in readable units."""

import difflib
import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def printable(message: str) -> str:
    """Return a message on one line, with control characters escaped: names of files and keys may contain any."""
    line = re.sub(r"\s*[\r\n]\s*", " ", message.strip())  # spaces in names stay, for users to copy
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)


def format_seconds(seconds: float) -> str:
    """Format seconds for people, such as ``0.4 s``, ``12 s``, ``2 min 5 s``, ``38 min`` or ``2 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 9.5 else f"{seconds:.2g} s"
    if seconds < 600:
        return f"{round(seconds) // 60} min {round(seconds) % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60:,} h {minutes % 60} min"


def format_bytes(size: int) -> str:
    """Format bytes for people, such as ``79.3 MB``."""
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"


def short(value: object) -> str:
    """Return a number with four digits if it is a float; anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def number_hint(text: str) -> str:
    """Return advice for text that looks like a number but that YAML 1.1 does not read as one, such as 1e-4."""
    try:
        number = float(text)
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    if "e" not in text.lower():
        return "; YAML reads a number only without quotes"
    shown = repr(number)
    return f"; YAML reads {text} as text, write {shown if '.' in shown else shown.replace('e', '.0e')}"


def did_you_mean(name: str, allowed: list[str]) -> str:
    """Return the end of an error line on an unknown name: the closest allowed name, or all of them."""
    close = difflib.get_close_matches(name, allowed, n=1)
    return f"; did you mean {close[0]}?" if close else f"; expected one of {', '.join(allowed)}"


def say(console: "Console", line: str, *, copied: bool = False) -> None:
    """Print one line as it is: without wrapping in a file or a pipe, and without reading markup or emoji codes.

    Args:
        console: Console to print to. A terminal gets the line wrapped between words.
        line: Line to print.
        copied: Whether users copy from the line, such as a path or a command; it is then never wrapped.
    """
    console.print(line, markup=False, emoji=False, soft_wrap=copied or not console.is_terminal)
