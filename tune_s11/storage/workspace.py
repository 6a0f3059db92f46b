"""The folder that a search or a run works in, whether its results stay there or go to a storage."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tune_s11.config import InputError
from tune_s11.storage.remote import Remote
from tune_s11.storage.sync import Layout, Shared


class NotCopiedError(InputError):
    """Raised when a storage cannot be brought up to date; resuming from ``folder`` copies the rest."""

    def __init__(self, message: str, folder: Path) -> None:
        super().__init__(message)
        self.folder = folder


class Workspace(Protocol):
    """A folder, with methods that keep its copy in a storage up to date. Without a storage, most of them are no-ops."""

    @property
    def folder(self) -> Path:
        """Folder on this machine."""

    @property
    def remote(self) -> Remote | None:
        """Place of the folder in the storage; None without one."""

    @property
    def seen_by_nodes(self) -> Path | None:
        """The folder, if workers on other nodes have to reach it by its path; None if they need not."""

    def copying(self, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """Copy changes while the block runs; ``say`` gets one line when the storage is unreachable, or reachable again.

        Raises:
            InputError: The storage cannot be written at the start or at the end. All results are in the folder then.
        """

    def finish(self) -> None:
        """Bring the storage up to date for the last time.

        Raises:
            InputError: The storage cannot be brought up to date; all results are in the folder.
        """

    def flush(self) -> None:
        """Bring the storage up to date, and wait for one that is unreachable.

        Raises:
            InputError: Another machine has written the storage; see also
                :func:`tune_s11.storage.sync.retry_while_unreachable`.
        """

    def fetch(self, part: Path) -> None:
        """Bring a part of the folder up to date with what workers have written, and wait as :meth:`flush` does."""

    def peek(self, part: Path, suffix: str) -> None:
        """Bring the files of a part that have this suffix up to date, if that succeeds at the first attempt."""

    def shared(self, part: Path) -> Shared:
        """Return a part of the folder for a task, which may run on any node."""

    def reachable(self, file: Path) -> Path | Remote:
        """Return the path or the place at which a worker on any node can read a file of the folder."""

    def drop(self, folder: Path, prefix: str) -> None:
        """Delete the entries of a subfolder that have this prefix, in the storage too."""


@contextmanager
def finishing(workspace: Workspace) -> Iterator[None]:
    """Bring the storage up to date at the end of the block, with what is written after :meth:`Workspace.copying`.

    Raises:
        InputError: See :meth:`Workspace.finish`. If the block raises, copying has said already that the copy is behind.
    """
    try:
        yield
    except BaseException:
        with suppress(InputError):
            workspace.finish()
        raise
    workspace.finish()


@dataclass(frozen=True)
class Local:
    """The :class:`Workspace` of results that stay where they are.

    Attributes:
        folder: Folder on this machine, or on a mount that all nodes share.
        layout: Layout of the folder.
    """

    folder: Path
    layout: Layout
    remote: None = None

    @property
    def seen_by_nodes(self) -> Path | None:
        """See :class:`Workspace`."""
        return self.folder

    def copying(self, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """See :class:`Workspace`."""
        return nullcontext()

    def finish(self) -> None:
        """See :class:`Workspace`."""

    def flush(self) -> None:
        """See :class:`Workspace`."""

    def fetch(self, part: Path) -> None:
        """See :class:`Workspace`."""

    def peek(self, part: Path, suffix: str) -> None:
        """See :class:`Workspace`."""

    def shared(self, part: Path) -> Shared:
        """See :class:`Workspace`."""
        return Shared(part, None, self.layout)

    def reachable(self, file: Path) -> Path | Remote:
        """See :class:`Workspace`."""
        return file

    def drop(self, folder: Path, prefix: str) -> None:
        """See :class:`Workspace`."""
        for each in folder.glob(f"{prefix}*"):
            shutil.rmtree(each, ignore_errors=True)
