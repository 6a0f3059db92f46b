"""Tables in Markdown, and figures in their cells."""

import statistics
from collections.abc import Sequence


def markdown_row(cells: list[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"


def markdown_head(cells: list[str]) -> list[str]:
    """Return the first two lines of a table: the names of its columns, and the rule below them."""
    return [markdown_row(cells), markdown_row(["---"] * len(cells))]


def in_brackets(values: Sequence[float], digits: int) -> str:
    """Return a median with the minimum and maximum in brackets."""
    middle, least, most = (f"{f(values):.{digits}f}" for f in (statistics.median, min, max))
    return f"{middle} ({least} to {most})"
