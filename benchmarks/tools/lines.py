"""Recording files: a header and lines of JSON, each appended as soon as it is complete."""

import json
import os
from pathlib import Path
from typing import Any

from tune_s11.config import InputError, Recipe, completed


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read the complete lines of a file, its header first; return none if there is no file.

    A truncated line at the end, which an interrupted run left, is ignored.

    Raises:
        InputError: A complete line is not JSON.
    """
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    except ValueError as error:
        raise InputError(f"{path}: not a recording: {error}") from None


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Append one line and flush it to the disk, after removing a truncated line that an interrupted run left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def completed_subject(of: dict[str, Any]) -> dict[str, Any]:
    """Return a recording's subject, completed with the defaults of recipe fields that are newer than the recording."""
    return of | {"recipe": completed(Recipe, of["recipe"])} if "recipe" in of else of
