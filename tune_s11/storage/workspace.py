"""The folder that a search or a run works in, whether its results stay there or go to a storage."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tune_s11.config import InputError
from tune_s11.storage.remote import Remote
from tune_s11.storage.sync import Layout, Shared


class NotCopiedError(InputError):
    """A storage cannot be brought up to date; resuming the work in ``folder`` does it."""

    def __init__(self, message: str, folder: Path) -> None:
        super().__init__(message)
        self.folder = folder


class Workspace(Protocol):
    """The folder, and what keeps a storage as new as it is. Without a storage most of it has nothing to do."""

    @property
    def folder(self) -> Path:
        """On this machine."""

    @property
    def remote(self) -> Remote | None:
        """Where the storage has the folder; None without one."""

    @property
    def seen_by_nodes(self) -> Path | None:
        """The folder, where workers on other nodes have to reach it by its path; None where they need not."""

    def copying(self, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """Copies what changes while the block runs; ``say`` gets a line when the storage is away, or back.

        Raises:
            InputError: The storage cannot be written at the beginning, or at the end. All is in the folder then.
        """

    def finish(self) -> None:
        """Brings the storage up to date for the last time.

        Raises:
            InputError: It cannot be; all is in the folder.
        """

    def flush(self) -> None:
        """Brings the storage up to date, and waits for one that is away.

        Raises:
            InputError: As :func:`tune_s11.storage.sync.patiently`, or another machine has written it.
        """

    def fetch(self, part: Path) -> None:
        """Brings a part of the folder up to date with what workers have written, and waits as :meth:`flush`."""

    def peek(self, part: Path, suffix: str) -> None:
        """Brings the files of a part with such names up to date where that succeeds at once."""

    def shared(self, part: Path) -> Shared:
        """A part of the folder for a task, which may run on any node."""

    def reachable(self, file: Path) -> Path | Remote:
        """Where a worker on any node can read a file of the folder."""

    def drop(self, folder: Path, prefix: str) -> None:
        """Deletes what has a name with this prefix in a folder below, in the storage too."""


@dataclass(frozen=True)
class Local:
    """The :class:`Workspace` of results that stay where they are.

    Attributes:
        folder: On this machine, or on a mount that all nodes share.
        layout: Of the folder.
    """

    folder: Path
    layout: Layout
    remote: None = None

    @property
    def seen_by_nodes(self) -> Path | None:
        """As :class:`Workspace`."""
        return self.folder

    def copying(self, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """As :class:`Workspace`."""
        return nullcontext()

    def finish(self) -> None:
        """As :class:`Workspace`."""

    def flush(self) -> None:
        """As :class:`Workspace`."""

    def fetch(self, part: Path) -> None:
        """As :class:`Workspace`."""

    def peek(self, part: Path, suffix: str) -> None:
        """As :class:`Workspace`."""

    def shared(self, part: Path) -> Shared:
        """As :class:`Workspace`."""
        return Shared(part, None, self.layout)

    def reachable(self, file: Path) -> Path | Remote:
        """As :class:`Workspace`."""
        return file

    def drop(self, folder: Path, prefix: str) -> None:
        """As :class:`Workspace`."""
        for each in folder.glob(f"{prefix}*"):
            shutil.rmtree(each, ignore_errors=True)
