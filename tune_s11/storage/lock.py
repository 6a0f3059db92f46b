"""Locks a results folder, so that only one session at a time works on it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tune_s11.config import InputError


@contextmanager
def only_session(path: Path) -> Iterator[None]:
    """Lock a folder against other sessions; the lock is released when the process ends, however it ends.

    On a network mount that does not support such locks, there is no protection.

    Args:
        path: The folder, which exists.

    Raises:
        InputError: Another session is working on the folder.
    """
    folder = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{path.name}: another session is working on it; expected only one at a time") from None
        except OSError:
            pass
        yield
    finally:
        os.close(folder)
