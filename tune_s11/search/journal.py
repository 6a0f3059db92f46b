"""The journal file of the Optuna study: written one or several entries at a time, repaired after an interruption."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from tune_s11.config import InputError


class Journal(JournalStorage):
    """A study's storage in a journal file, which optuna-dashboard can show.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._file = _File(str(path))
        super().__init__(self._file)

    def together(self) -> AbstractContextManager[None]:
        """Return a context manager that collects entries and writes them all at once at its end.

        Each write takes a lock and waits for the disk; a report of eight epochs would wait eight times. Use it only for
        values of existing trials: other changes, such as a new trial, are read back immediately, and would be missed.
        """
        return self._file.together()


class _File(JournalFileBackend):
    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._held: list[dict[str, Any]] | None = None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        if self._held is None:
            super().append_logs(logs)
        else:
            self._held += logs

    @contextmanager
    def together(self) -> Iterator[None]:
        assert self._held is None  # a nested context would lose the entries of the outer one
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            if held:
                super().append_logs(held)


def together(storage: BaseStorage) -> AbstractContextManager[None]:
    """Return :meth:`Journal.together` of a journal; for storages in memory, a no-op context manager."""
    return storage.together() if isinstance(storage, Journal) else nullcontext()


def mend_journal(path: Path, say: Callable[[str], None]) -> None:
    """Remove what an interrupted session may leave behind: its lock, and a truncated last line.

    Anything written after a truncated line would be lost with it. Optuna waits half a minute for a lock whose owner was
    killed, and forever once the folder has been moved, because the lock is a link that contains the folder's path.

    Args:
        path: Path of the journal file, to which no other process may write. It need not exist.
        say: Function that is called with a line if the last line is removed.

    Raises:
        InputError: An earlier line is damaged.
    """
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    *lines, last = path.read_bytes().split(b"\n") if path.exists() else [b""]
    if lines and not last and not _is_json(lines[-1]):
        last = lines.pop()
    for number, line in enumerate(lines, start=1):
        if not _is_json(line):
            raise InputError(damaged(path, f"line {number} is not JSON"))
    if last:
        say(f"{path}: its last line is incomplete and ignored")
        os.truncate(path, sum(len(line) + 1 for line in lines))


def damaged(path: Path, reason: str) -> str:
    """Return the error line for a journal that cannot be read."""
    return f"{path}: is damaged ({reason}); the search cannot be resumed, but its trials can still be read"


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
