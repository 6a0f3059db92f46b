"""Defines the options that several commands share, and the parsers of their values."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tune_s11.hardware import Precision
from tune_s11.storage.remote import parse_storage


def whole_number(least: int, most: int | None = None) -> Callable[[str | int], int]:
    """Return a parser of whole numbers. Its error names the value, which typer's own error does not."""

    def read(value: str | int) -> int:  # a default is a number already
        text = str(value)
        if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
            up_to = "" if most is None else f" to {most}"
            raise typer.BadParameter(f"{text!r}: expected a whole number from {least}{up_to}")
        return int(text)

    return read


def whole_number_or_auto(value: str | int) -> int | Literal["auto"]:
    """Parse a whole number from 1, or ``auto``."""
    if value == "auto":
        return "auto"
    try:
        return whole_number(1)(value)
    except typer.BadParameter as error:
        raise typer.BadParameter(f"{error.message} or auto") from None


def fraction(value: str | float) -> float:
    """Parse an accuracy, a number from 0 to 1."""
    number = _number(value)
    if not 0 <= number <= 1:
        raise typer.BadParameter(f"must be between 0 and 1 (got {value})")
    return number


def inner_fraction(value: str | float) -> float:
    """Parse an accuracy above 0 and below 1."""
    number = _number(value)
    if not 0 < number < 1:
        raise typer.BadParameter(f"must be above 0 and below 1 (got {value})")
    return number


def _number(value: str | float) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan


def duration(value: str) -> float:
    """Parse a time such as ``90m``, ``2h`` or ``1h30m`` into seconds."""
    parts = re.fullmatch(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", value)
    hours, minutes, seconds = (int(part or 0) for part in parts.groups()) if parts else (0, 0, 0)
    if not (total := 3600 * hours + 60 * minutes + seconds):
        raise typer.BadParameter(f"{value!r}: expected a time such as 90m, 2h or 1h30m")
    return float(total)


RESULTS = Path("results")
"""Default parent of all search and run folders; ``--storage`` overrides it."""

SpaceOption = Annotated[str, typer.Option("--space", help="Space file: s11, seed, quick, wide, or a path.")]


def set_option(keys: str) -> Any:
    """Return ``--set`` of a command that takes these keys."""
    return typer.Option("--set", metavar="KEY=VALUE", help=f"Change {keys}. Repeatable.")


SetOption = Annotated[list[str] | None, set_option("a key of the recipe, search.KEY or refit.KEY")]
TargetLineOption = Annotated[
    float | None,
    typer.Option(
        "--target-line",
        parser=fraction,
        metavar="ACCURACY",
        help="Draw a line at this accuracy, such as 0.9, and name the first epoch that reaches it. For display only.",
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR|CSV",
        help="Your own images: DIR/{train,test}/<class>/*.png, or a CSV of file and label.",
    ),
]
ModelOption = Annotated[str | None, typer.Option("--model", help="Your own network: package.module:function.")]
SeedOption = Annotated[
    int | None,
    typer.Option("--seed", parser=whole_number(0, 2**31 - 1), metavar="N", help="Seed, in place of the space file's."),
]
PrecisionOption = Annotated[
    Precision, typer.Option("--precision", help="auto: bf16 where the hardware supports it natively, else fp32.")
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", parser=whole_number(1), metavar="N", help="CPU threads (default: all cores).")
]
StorageOption = Annotated[
    Any,  # a Storage; typer does not support unions
    typer.Option(
        "--storage",
        parser=parse_storage,
        metavar="DIR|URI",
        help="Parent of the results: a folder, or s3://BUCKET/PATH.",
    ),
]
