"""The disk: room for a run before it begins, what is written there, and what goes wrong with it, in one line."""

import errno
import os
import shutil
from pathlib import Path

from tune_s11.config import InputError
from tune_s11.text import in_words

_TROUBLES = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO),
    *(errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR),
}
"""Errors of a disk or a path that the user can mend, and no program."""


def disk_trouble(error: BaseException) -> str | None:
    """What is wrong with the disk where an error came of that, such as ``/results/a: No space left on device``.

    Args:
        error: As caught, perhaps far above: Ray and Tune wrap what a worker or a callback raises.
    """
    seen: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in seen:
        if isinstance(link, OSError) and link.errno in _TROUBLES:
            where = f"{link.filename}: " if link.filename is not None else ""
            return f"{where}{os.strerror(link.errno)}"
        seen.append(link)
        link = getattr(link, "cause", None) or link.__cause__ or link.__context__
    return None


def check_room(folder: Path, need: int) -> None:
    """Makes sure of a folder before anything is written into it.

    Args:
        folder: Need not exist.
        need: Bytes that are going to be written into it, at most at any one time.

    Raises:
        InputError: It cannot be written, or has less room.
    """
    there = existing(folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"--storage: {there} cannot be written; expected a folder that can")
    free = shutil.disk_usage(there).free
    if free < need:
        raise InputError(
            f"--storage: {there} has {in_words(free)} left on its disk, up to {in_words(need)} are needed; "
            "expected a folder on a disk with more"
        )


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that there is."""
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
