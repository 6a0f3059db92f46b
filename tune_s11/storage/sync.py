"""Synchronises a folder on this machine's disk with its copy in a storage, in either direction.

Files are copied whole. After an interruption between two files, a resume still reads a consistent state, because the
study and a run's checkpoint are read before the rows that belong to them and written after them.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tune_s11.config import InputError
from tune_s11.storage.files import write_whole
from tune_s11.storage.remote import Remote, Stamp, describe_remote_error

SECONDS = 10.0
"""Seconds between two snapshots of a search, and between two of a task's folder."""

PATIENCE = 600.0
"""Seconds to wait for an unreachable storage before giving up."""

SNAPSHOT, STATE = "snapshot", ".storage.json"
"""File in the storage with the last snapshot's identity, and file in the folder with the state of both sides."""


@dataclass(frozen=True)
class Layout:
    """The rules by which a folder's files are copied. Names are relative, such as ``trials/t0000/result.json``.

    Attributes:
        growing: Base names of files that are written line by line; the others are replaced whole.
        last: Base names of files that are written to the storage after all others and read before them, because a
            reader assumes that the others are complete up to what these record.
        not_copied: Whether a file is never copied, because only one side uses it.
        by_workers: Whether workers write a file into the storage themselves.
        read: Whether a file is needed by someone who only reads results.
    """

    growing: frozenset[str]
    last: frozenset[str]
    not_copied: Callable[[str], bool]
    by_workers: Callable[[str], bool]
    read: Callable[[str], bool]


class Copy:
    """A folder and its copy in a storage. Files whose names begin with a dot are not copied.

    Args:
        folder: Folder on this machine.
        remote: Place of the folder in the storage.
        layout: Layout of the folder.
    """

    def __init__(self, folder: Path, remote: Remote, layout: Layout) -> None:
        self.folder, self.remote, self.layout = folder, remote, layout
        self.lock = threading.RLock()
        self._files: dict[str, tuple[Stamp, Stamp | None]] = {}  # stamps when last identical: here, and there if known
        self.snapshots: list[str | None] = [None]  # the last one there; two while one is being written
        self.whole = True  # False after an interrupted pull
        with suppress(OSError, ValueError, TypeError, KeyError):
            state = json.loads((folder / STATE).read_text("utf-8"))
            for name, (here, there) in state["files"].items():
                self._files[name] = Stamp(*here), Stamp(*there) if there else None
            self.snapshots, self.whole = state["snapshots"], state["whole"]

    def pull(self, under: str | Path = "", wanted: Callable[[str], bool] = lambda name: True) -> None:
        """Bring the folder up to date. A file that has changed here since both were identical is left as it is.

        Args:
            under: Subfolder to pull, as a full path or relative to the folder; empty: everything.
            wanted: Whether to pull a file, by its name.

        Raises:
            OSError: The storage or the disk fails; what has been copied stays.
        """
        with self.lock:
            under = under.relative_to(self.folder).as_posix() if isinstance(under, Path) else under
            prefix = f"{under}/" if under else ""
            found = (self.remote / under if under else self.remote).files()
            there = {prefix + name: stamp for name, stamp in found.items() if wanted(prefix + name)}
            try:
                # Files in ``layout.last`` come first here: those that they rely on may still grow in the storage.
                for name, stamp in sorted(there.items(), key=lambda each: (not self._is_last(each[0]), each[0])):
                    file = self.folder / name
                    alike = self._files.get(name, (None, None))
                    if _stamp(file) == alike[0] and stamp != alike[1] and not is_hidden(name):
                        (self.remote / name).download(file)
                        self._files[name] = _must(_stamp(file)), stamp
                known = [name for name in self._files if name.startswith(prefix) and wanted(name)]
                gone = [n for n in known if n not in there and _stamp(self.folder / n) == self._files[n][0]]
                for name in gone if gone and not self.has_lost_all() else ():
                    (self.folder / name).unlink()
                    del self._files[name]
            finally:
                self.save()

    def push(self, under: str = "") -> bool:
        """Bring the storage up to date; return whether anything had changed.

        Raises:
            OSError: The storage fails.
        """
        with self.lock:
            prefix = f"{under}/" if under else ""
            here = {name: stamp for name, stamp in self._here().items() if name.startswith(prefix)}
            changed = [name for name, stamp in here.items() if name not in self._files or self._files[name][0] != stamp]
            gone = [n for n in self._files if n.startswith(prefix) and n not in here and not self._is_elsewhere(n)]
            # Read before the rows: a trial that the study calls finished then has all its rows in the copy.
            held = {name: self._read(name) for name in changed if self._is_last(name)}
            try:
                for name in gone:
                    (self.remote / name).delete()
                    del self._files[name]
                for name in sorted(changed, key=lambda name: (name in held, name)):
                    content = held[name] if name in held else self._read(name)
                    if content is not None:
                        (self.remote / name).write(content)
                        self._files[name] = here[name], None
            finally:
                self.save()
            return bool(changed or gone)

    def has_lost_all(self) -> bool:
        """Return whether the storage has lost the whole copy, so that nobody has deleted what is only here."""
        return False  # only a mirror, with its snapshots, can tell

    def write_again(self) -> None:
        """Replace a copy that the storage has lost: write what workers had put there; the next push writes the rest.

        Raises:
            OSError: The storage fails.
        """
        with self.lock:
            theirs = {name: self._read(name) for name in self._files if self.layout.by_workers(name)}
            for name, content in theirs.items():
                if content is not None:
                    (self.remote / name).write(content)
            self._files = {name: (self._files[name][0], None) for name in theirs}

    def is_changed(self) -> bool:
        """Return whether the folder has changes that the storage lacks."""
        here = self._here()
        known = {name: alike[0] for name, alike in self._files.items() if not self._is_elsewhere(name)}
        return here != known

    def _is_elsewhere(self, name: str) -> bool:
        """Return whether this process must not copy a file."""
        return is_hidden(name) or self.layout.not_copied(name) or self.layout.by_workers(name)

    def _is_last(self, name: str) -> bool:
        return _basename(name) in self.layout.last

    def _here(self) -> dict[str, Stamp]:
        files = (Path(root) / name for root, _, names in os.walk(self.folder) for name in names)
        stamps = {file.relative_to(self.folder).as_posix(): _stamp(file) for file in files}
        return {name: stamp for name, stamp in stamps.items() if stamp is not None and not self._is_elsewhere(name)}

    def _read(self, name: str) -> bytes | None:
        """Return the content of a file; None if it has just disappeared."""
        try:
            content = (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        return content[: content.rfind(b"\n") + 1] if _basename(name) in self.layout.growing else content

    def save(self) -> None:
        """Save the state of both sides for the next process."""
        files = {
            name: [[here.size, here.mtime], [there.size, there.mtime] if there else None]
            for name, (here, there) in self._files.items()
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {"snapshots": self.snapshots, "whole": self.whole, "files": files}
        write_whole(self.folder / STATE, json.dumps(state))


@dataclass(frozen=True)
class Shared:
    """A folder that a task on any node fills and the driver reads.

    Attributes:
        path: Path of the folder for the driver.
        remote: Place that the task copies it to; None: all nodes see ``path``.
        layout: Layout of the folder.
    """

    path: Path
    remote: Remote | None
    layout: Layout

    @contextmanager
    def opened(
        self, alive: Callable[[], None], waiting: Callable[[], None]
    ) -> Iterator[tuple[Path, Callable[[], None]]]:
        """Provide the folder on the task's node, with the files that an earlier task left, and copy it at the end.

        Args:
            alive: Called whenever the folder has grown.
            waiting: Called while the storage is unreachable.

        Yields:
            The folder, and a function to call whenever it has grown, which occasionally copies it.

        Raises:
            InputError: The storage has been unreachable for :data:`PATIENCE` at the start or at the end.
        """
        if self.remote is None:
            yield self.path, alive
            return
        with TemporaryDirectory() as scratch:
            copy = Copy(Path(scratch) / "folder", self.remote, self.layout)
            retry_while_unreachable(copy.pull, waiting)
            copied = time.monotonic()

            def grown() -> None:
                nonlocal copied
                alive()
                if time.monotonic() - copied >= SECONDS:
                    with suppress(OSError):
                        copy.push()
                    copied = time.monotonic()

            yield copy.folder, grown
            retry_while_unreachable(copy.push, waiting)


def retry_while_unreachable(action: Callable[[], object], on_wait: Callable[[], None] = lambda: None) -> None:
    """Run an action, and repeat it while a storage is unreachable.

    Args:
        action: Action to run.
        on_wait: Called before each repetition.

    Raises:
        InputError: The storage is still unreachable after :data:`PATIENCE`.
        OSError: The action fails for another reason.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            action()
            return
        except OSError as error:
            if error.errno is not None:  # an error of the disk: pyarrow sets no errno for errors of a server
                raise
            if time.monotonic() > deadline:
                away = (
                    f"the storage has been unreachable for {PATIENCE / 60:.0f} minutes: {describe_remote_error(error)}"
                )
                raise InputError(f"{away}; the search can be resumed once it is back") from None
        time.sleep(2)
        on_wait()


def is_hidden(name: str) -> bool:
    """Return whether a file is half written, or belongs to the copying itself."""
    return any(part.startswith(".") for part in name.split("/")) or name == SNAPSHOT


def _basename(name: str) -> str:
    return name.rpartition("/")[2]


def _stamp(file: Path) -> Stamp | None:
    try:
        found = file.lstat()
    except OSError:
        return None
    return Stamp(found.st_size, found.st_mtime_ns)


def _must(stamp: Stamp | None) -> Stamp:
    assert stamp is not None
    return stamp
