"""Other sessions of a search: what an earlier one began with stays, and there is one at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from tune_s11.config import Frozen, InputError, Recipe, SearchSettings, completed
from tune_s11.results import SearchFolder
from tune_s11.search_space import SearchConfig
from tune_s11.storage.files import read_json

_MAY_CHANGE = {("search", "samples"), ("search", "target_line")}
"""Settings of a search that a resumed one may have otherwise."""


@contextmanager
def only_session(path: Path) -> Iterator[None]:
    """Keeps other sessions off the search folder; the system forgets it with the process, however that ends.

    Where a network mount knows no such locks, nobody is kept off.

    Raises:
        InputError: Another session is at work.
    """
    folder = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{path.name}: another session is working on it; only one can at a time") from None
        except OSError:
            pass
        yield
    finally:
        os.close(folder)


def earlier_manifest(folder: SearchFolder) -> dict[str, Any] | None:
    """What an earlier session recorded in the search folder; None where this is the first.

    Raises:
        InputError: It cannot be read.
    """
    file = folder.manifest
    manifest: dict[str, Any] | None = read_json(file)
    if manifest is None and file.exists():
        raise InputError(f"{file}: is damaged; if images, recipe and Ray are what the search began with, delete it")
    return manifest


def check_same_search(folder: SearchFolder, config: SearchConfig, before: dict[str, Any]) -> None:
    """Makes sure that a search goes on under the same Ray with the same recipe, space and settings.

    Samples and target line may change.

    Args:
        folder: Of the search.
        config: As it is now.
        before: The manifest.

    Raises:
        InputError: Something is not the same.
    """
    if before["packages"]["ray"] != ray.__version__:
        raise InputError(
            f"{folder.path.name}: began under Ray {before['packages']['ray']}, this is {ray.__version__}; "
            f"allowed is: pip install ray=={before['packages']['ray']}"
        )
    now = config.plain()
    kinds: dict[str, type[Frozen]] = {"recipe": Recipe, "search": SearchSettings}
    for part in ("recipe", "space", "search"):
        began = before.get("search", now)[part]
        if part in kinds:
            began = completed(kinds[part], began)
        for key in {**began, **now[part]}:
            if began.get(key) != now[part].get(key) and (part, key) not in _MAY_CHANGE:
                raise InputError(
                    f"{folder.space}: {part}.{key}: {now[part].get(key)}: the search began with "
                    f"{began.get(key)} and keeps it; expected a new search: --space {folder.space}"
                )
