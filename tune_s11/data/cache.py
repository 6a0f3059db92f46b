"""Caches arrays on disk between runs: written whole or not at all, and verified before use."""

import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]


def cache_dir() -> Path:
    """Return ``$XDG_CACHE_HOME/tune_s11``, or ``~/.cache/tune_s11``. The folder need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tune_s11"


def write_entry(entry: Path, arrays: Arrays, about: Mapping[str, Any]) -> None:
    """Write arrays as ``<name>.npy`` into a new folder, with an ``entry.json`` to verify them.

    Args:
        entry: Folder to write; an existing one is replaced.
        arrays: Arrays by name.
        about: Further values to store with the arrays; they must be JSON-serialisable.

    Raises:
        OSError: The entry cannot be written; nothing is left behind.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=entry.parent, prefix=f"{entry.name}.partial-"))
    try:
        for name, array in arrays.items():
            np.save(scratch / f"{name}.npy", array, allow_pickle=False)
        checks = {name: _check(array) for name, array in arrays.items()}
        (scratch / "entry.json").write_text(json.dumps({"arrays": checks, "about": about}), "utf-8")
        shutil.rmtree(entry, ignore_errors=True)
        os.replace(scratch, entry)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def read_entry(entry: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]] | None:
    """Return the arrays, read-only and mapped from disk, and ``about``; None if there is no intact entry."""
    try:
        written = json.loads((entry / "entry.json").read_text("utf-8"))
        arrays = {}
        for name, check in written["arrays"].items():
            # A plain array, not np.memmap: results computed from a memmap would be memmaps too.
            arrays[name] = np.asarray(np.load(entry / f"{name}.npy", mmap_mode="r", allow_pickle=False))
            if _check(arrays[name]) != check:
                return None
        return arrays, written["about"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return None  # missing, truncated, or not what was written


def _check(array: npt.NDArray[Any]) -> dict[str, Any]:
    return {"shape": list(array.shape), "dtype": array.dtype.str, "crc32": zlib.crc32(np.ascontiguousarray(array).data)}
