"""Files: named by the folder that they lie in, written whole or not at all, read as far as they are sound."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol


class Folder(Protocol):
    """Something that knows its files by attributes that are :class:`Below`."""

    @property
    def path(self) -> Path:
        """Where it is."""


class Below:
    """A path below a folder's own, as an attribute of the folder's class.

    Args:
        name: Below the folder, such as ``best/metrics.json``.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: Folder, kind: type) -> Path:
        return folder.path / self._name


def write_whole(path: Path, text: str) -> None:
    """Writes a text file beside ``path``, then renames, so that a reader sees all or nothing."""
    partial = partial_path(path)
    try:
        partial.write_text(text, "utf-8", "backslashreplace")  # names of files need not be UTF-8
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """Where to write what becomes ``path``; processes of other machines may do so too, and have the same number."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}")


def read_json(path: Path) -> Any:
    """A JSON file's value; None where it is missing or half written."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def write_lines(path: Path, objects: Iterable[Mapping[str, Any]]) -> None:
    """Writes JSON objects, one a line, as :func:`write_whole`."""
    write_whole(path, "".join(json.dumps(each) + "\n" for each in objects))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a file with one a line, where it is sound; none where it is missing.

    A last line that is half written is left out.
    """
    return list(_objects(path))


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    try:
        text = path.read_text("utf-8")
    except OSError:
        return
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(value, dict):
            yield value
