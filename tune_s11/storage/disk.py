"""Checks for free disk space, measures folders, and describes disk errors in one line."""

import errno
import os
import shutil
from pathlib import Path

from tune_s11.config import InputError
from tune_s11.storage.local_folders import address_of
from tune_s11.text import format_bytes

_TROUBLES = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO),
    *(errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR),
    *(errno.ESTALE, errno.ETIMEDOUT, errno.EMFILE),
}
"""Errors of a disk or a path that only the user can fix."""


def describe_disk_error(error: BaseException) -> str | None:
    """Describe a disk error, such as ``/results/a: No space left on device``; return None for other errors.

    Args:
        error: Error that was caught. Its cause may be nested deeply: Ray and Tune wrap errors of workers and callbacks.
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
    """Check that a folder can be written and has enough room.

    Args:
        folder: Folder to check; it need not exist.
        need: Largest size in bytes that the folder will reach.

    Raises:
        InputError: The folder cannot be written, or has less room.
    """
    there = existing(folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"--storage: {there} cannot be written; expected a writable folder")
    free = shutil.disk_usage(there).free
    if free < need:
        elsewhere = "a folder" if address_of(folder) is None else "XDG_CACHE_HOME to name a folder"
        raise InputError(
            f"--storage: {there} has {format_bytes(free)} left on its disk, up to {format_bytes(need)} are needed; "
            f"expected {elsewhere} on a disk with more"
        )


def existing(folder: Path) -> Path:
    """Return the folder, or its nearest existing parent."""
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def size_of(folder: Path) -> int:
    """Return the total size in bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
