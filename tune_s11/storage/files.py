"""Names, writes and reads files: they are written whole or not at all, and damaged parts are skipped in reading."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol


class Folder(Protocol):
    """A class whose files are attributes of type :class:`Below`."""

    @property
    def path(self) -> Path:
        """Path of the folder."""


class Below:
    """A path below a folder, as an attribute of the folder's class.

    Args:
        name: Path relative to the folder, such as ``best/metrics.json``.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: Folder, kind: type) -> Path:
        return folder.path / self._name


def write_whole(path: Path, text: str) -> None:
    """Write text to a temporary file, then rename it to ``path``; readers see all or nothing."""
    partial = partial_path(path)
    try:
        partial.write_text(text, "utf-8", "backslashreplace")  # file names need not be UTF-8
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """Return the path of a temporary file, to be renamed to ``path``.

    The name is random, because a process on another machine, with the same process id, may write the file too.
    """
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


def read_json(path: Path) -> Any:
    """Return the value of a JSON file; None if it is missing or half written."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def write_lines(path: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON objects, one per line, as :func:`write_whole` does."""
    write_whole(path, "".join(json.dumps(each) + "\n" for each in objects))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file with one per line; none if it is missing.

    Damaged lines are skipped, such as a half-written last one.
    """
    return list(_objects(path))


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text("utf-8", "replace")  # a damaged byte costs its line only
    except OSError:
        return
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(value, dict):
            yield value
