"""Mirrors a folder in a storage: pulls it at the start, and pushes it as it grows.

A search whose results go to a storage works in a folder below the cache, and a thread copies the changes.
Each snapshot has an identity, recorded in the file ``snapshot``. The folder remembers the last identity it has seen, so
older results never overwrite newer ones, on either side.
"""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tune_s11.config import InputError
from tune_s11.storage.remote import Remote, describe_remote_error, explained
from tune_s11.storage.sync import SECONDS, SNAPSHOT, Copy, Layout, Shared, retry_while_unreachable
from tune_s11.storage.workspace import Local, NotCopiedError


class Mirror(Copy):
    """The :class:`tune_s11.storage.workspace.Workspace` of results that go to a storage.

    Args:
        folder: Folder on this machine.
        remote: Place of the folder in the storage.
        layout: Layout of the folder.
    """

    seen_by_nodes: Path | None = None

    def __init__(self, folder: Path, remote: Remote, layout: Layout) -> None:
        super().__init__(folder, remote, layout)
        self._say: Callable[[str], None] = lambda line: None
        self._away = False

    def catch_up(self) -> None:
        """Pull the changes of other machines. If the storage has lost its copy, the next push writes it again.

        Raises:
            InputError: This machine has continued the results too, another one is writing them now, or the storage has
                lost its copy and the folder is incomplete.
            OSError: See :meth:`Copy.pull`.
        """
        with self.lock:
            there = self.snapshot()
            if there in self.snapshots and self.whole:
                self.pull(wanted=self.layout.by_workers)
                return
            if self._is_lost(there):
                if self.whole:
                    return
                raise InputError(f"{self.remote}: the copy there is gone, and {self.folder} has only a part of it")
            if self.whole and self.is_changed():
                raise InputError(self._both_changed())
            self.snapshots, self.whole = [there], False
            self.pull()
            if self.snapshot() != there:
                raise InputError(f"{self.remote}: another machine is writing it; wait until it has finished")
            self.whole = True
            self.save()

    def has_lost_all(self) -> bool:
        """See :meth:`Copy.has_lost_all`; there is no snapshot then."""
        return self._is_lost(self.snapshot())

    def push(self, under: str = "") -> bool:
        """Push the folder as a new snapshot; see :meth:`Copy.push`.

        Raises:
            InputError: Another machine has written a snapshot since.
        """
        with self.lock:
            there, mine = self.snapshot(), uuid.uuid4().hex
            if self._is_lost(there):
                self._say(f"storage: {self.remote}: the copy there is gone; it is written again from {self.folder}")
                self.write_again()
                self.snapshots = [None]
            if there not in self.snapshots:
                raise InputError(self._both_changed())
            if not self.is_changed():
                return False
            self.snapshots = [there, mine]  # if this is interrupted, the storage has either
            self.save()
            (self.remote / SNAPSHOT).write(f"{mine}\n".encode())  # before the files, so that other machines pull them
            if self.snapshot() != mine:
                raise InputError(self._both_changed())
            super().push(under)
            self.snapshots = [mine]
            self.save()
            return True

    @contextmanager
    def copying(self, say: Callable[[str], None]) -> Iterator[None]:
        """Copy every :data:`SECONDS`, and once at the start and at the end.

        Args:
            say: Called with one line when the storage becomes unreachable, or reachable again.

        Raises:
            InputError: The storage cannot be written at the start or at the end. All results are in the folder then.
        """
        self._say = say
        with explained(self.remote):
            self.push()
        say(f"storage: {self.remote}, a copy of {self.folder}")
        stop = threading.Event()
        thread = threading.Thread(target=self._copy, args=(stop,), name="storage", daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            stop.set()
            thread.join()
            try:
                self.finish()
            except InputError as error:
                say(f"storage: {error}")
            raise
        stop.set()
        thread.join()
        self.finish()

    def flush(self) -> None:
        """See :class:`tune_s11.storage.workspace.Workspace`."""
        retry_while_unreachable(self.push)

    def fetch(self, part: Path) -> None:
        """See :class:`tune_s11.storage.workspace.Workspace`."""
        retry_while_unreachable(lambda: self.pull(part))

    def peek(self, part: Path, suffix: str) -> None:
        """See :class:`tune_s11.storage.workspace.Workspace`."""
        with suppress(OSError):
            self.pull(part, lambda name: name.endswith(suffix))

    def shared(self, part: Path) -> Shared:
        """See :class:`tune_s11.storage.workspace.Workspace`."""
        return Shared(part, self.reachable(part), self.layout)

    def reachable(self, file: Path) -> Remote:
        """See :class:`tune_s11.storage.workspace.Workspace`."""
        return self.remote / file.relative_to(self.folder).as_posix()

    def drop(self, folder: Path, prefix: str) -> None:
        """See :class:`tune_s11.storage.workspace.Workspace`. If the storage fails, a later call deletes the rest."""
        Local(self.folder, self.layout).drop(folder, prefix)
        with suppress(OSError):
            place = self.reachable(folder)
            for name in place.files():
                if name.startswith(prefix):
                    (place / name).delete()

    def _copy(self, stop: threading.Event) -> None:
        """Push regularly until another machine has continued the results; report when that or an outage begins."""
        while not stop.wait(SECONDS):
            try:
                self._push_and_report()
            except OSError as error:
                if not self._away:
                    self._say(
                        f"storage: {self.remote}: {describe_remote_error(error)}; the search continues in {self.folder}"
                    )
                self._away = True
            except InputError as error:
                self._say(f"storage: {error}")
                return

    def _push_and_report(self) -> None:
        self.push()
        if self._away:
            self._say(f"storage: {self.remote} is back and up to date")
        self._away = False

    def finish(self) -> None:
        """Bring the storage up to date for the last time.

        Raises:
            InputError: The storage cannot be brought up to date; all results are in the folder.
        """
        line = f"{self.remote}: is not up to date, because {{}}; everything is in {self.folder}"
        try:
            self._push_and_report()
        except OSError as error:
            raise NotCopiedError(line.format(describe_remote_error(error)), self.folder) from None
        except InputError:
            raise InputError(line.format("another machine has continued it")) from None

    def snapshot(self) -> str | None:
        """Return the identity of the last snapshot in the storage; None before the first."""
        content = (self.remote / SNAPSHOT).read()
        return None if content is None else content.decode(errors="replace").strip()

    def _is_lost(self, there: str | None) -> bool:
        """Return whether the storage has no snapshot although it has had one."""
        return there is None and None not in self.snapshots

    def _both_changed(self) -> str:
        return (
            f"{self.remote}: another machine has continued it, and so has this one, in {self.folder}; "
            "move that folder away to continue from the storage"
        )
