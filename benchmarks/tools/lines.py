"""Files of recordings: a header and lines of JSON, appended as each is done."""

import json
import os
from pathlib import Path
from typing import Any

from tune_s11.config import InputError, Recipe, completed


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read the whole lines of a file, its header first; none where there is no file.

    Half a line at the end, which an interrupted run left, does not count.

    Raises:
        InputError: A whole line is not JSON.
    """
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    except ValueError as error:
        raise InputError(f"{path}: not a recording: {error}") from None


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Append one line and flush it to the disk; half a line that an interrupted run left is removed first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def completed_subject(of: dict[str, Any]) -> dict[str, Any]:
    """Return what a recording is of, its recipe with the defaults of fields that it was recorded without."""
    return of | {"recipe": completed(Recipe, of["recipe"])} if "recipe" in of else of
