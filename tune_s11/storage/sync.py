"""A folder on this machine's disk and its copy in a storage, brought to the same state in either direction.

Files are copied whole. An interruption between two of them leaves what a resume reads correctly: the study is read
before the trials' rows and written after them, a run's checkpoint likewise.
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
from tune_s11.storage.remote import Remote, Stamp, remote_trouble

SECONDS = 10.0
"""Between two snapshots of a search, and between two of a task's folder."""

PATIENCE = 600.0
"""Seconds that what needs the storage waits for it."""

SNAPSHOT, STATE = "snapshot", ".storage.json"
"""The last snapshot's identity in the storage; in the folder, what is known of both."""


@dataclass(frozen=True)
class Layout:
    """What copying has to know of a folder's files, whose names are as ``trials/t0000/result.json``.

    Attributes:
        growing: Last parts of the names of files that are written line by line; the others are replaced whole.
        last: Last parts of the names of files that are copied after all the rest, because a reader takes it to be
            complete up to there.
        not_copied: Whether a file stays where it is, because it serves one side alone.
        by_workers: Whether workers write a file into the storage themselves.
        read: Whether somebody who only reads results wants a file.
    """

    growing: frozenset[str]
    last: frozenset[str]
    not_copied: Callable[[str], bool]
    by_workers: Callable[[str], bool]
    read: Callable[[str], bool]


class Copy:
    """A folder and its copy. Names that begin with a dot stay where they are.

    Args:
        folder: On this machine.
        remote: In the storage.
        layout: Of the folder.
    """

    def __init__(self, folder: Path, remote: Remote, layout: Layout) -> None:
        self.folder, self.remote, self.layout = folder, remote, layout
        self.lock = threading.RLock()
        self._files: dict[str, tuple[Stamp, Stamp | None]] = {}  # as last seen alike: here, and there where it is known
        self.snapshots: list[str | None] = [None]  # the last one there; two while one is being written
        self.whole = True  # but for a pull that was cut off
        with suppress(OSError, ValueError, TypeError, KeyError):
            state = json.loads((folder / STATE).read_text("utf-8"))
            for name, (here, there) in state["files"].items():
                self._files[name] = Stamp(*here), Stamp(*there) if there else None
            self.snapshots, self.whole = state["snapshots"], state["whole"]

    def pull(self, under: str | Path = "", wanted: Callable[[str], bool] = lambda name: True) -> None:
        """Brings the folder up to date. A file that has changed here since both were alike is left as it is.

        Args:
            under: A folder in it, by its path or from here; empty: all.
            wanted: Which files, by name.

        Raises:
            OSError: The storage or the disk fails; what has been copied stays.
        """
        with self.lock:
            under = under.relative_to(self.folder).as_posix() if isinstance(under, Path) else under
            prefix = f"{under}/" if under else ""
            found = (self.remote / under if under else self.remote).files()
            there = {prefix + name: stamp for name, stamp in found.items() if wanted(prefix + name)}
            try:
                # What is complete up to somewhere comes before what it is complete by, which may be growing there.
                for name, stamp in sorted(there.items(), key=lambda each: (not self._is_last(each[0]), each[0])):
                    file = self.folder / name
                    alike = self._files.get(name, (None, None))
                    if _stamp(file) == alike[0] and stamp != alike[1] and not is_hidden(name):
                        (self.remote / name).download(file)
                        self._files[name] = _must(_stamp(file)), stamp
                for name in [name for name in self._files if name.startswith(prefix) and wanted(name)]:
                    if name not in there and _stamp(self.folder / name) == self._files[name][0]:
                        (self.folder / name).unlink()
                        del self._files[name]
            finally:
                self.save()

    def push(self, under: str = "") -> bool:
        """Brings the storage up to date; returns whether anything had changed.

        Raises:
            OSError: The storage fails.
        """
        with self.lock:
            prefix = f"{under}/" if under else ""
            here = {name: stamp for name, stamp in self._here().items() if name.startswith(prefix)}
            changed = [name for name, stamp in here.items() if name not in self._files or self._files[name][0] != stamp]
            gone = [n for n in self._files if n.startswith(prefix) and n not in here and not self._is_elsewhere(n)]
            # As they are now, before the rows are read: what the study calls ended has all its rows in the copy then.
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

    def is_changed(self) -> bool:
        """Whether the folder holds what the storage has not got."""
        here = self._here()
        known = {name: alike[0] for name, alike in self._files.items() if not self._is_elsewhere(name)}
        return here != known

    def _is_elsewhere(self, name: str) -> bool:
        """Whether a file is not for this process to copy."""
        return is_hidden(name) or self.layout.not_copied(name) or self.layout.by_workers(name)

    def _is_last(self, name: str) -> bool:
        return _basename(name) in self.layout.last

    def _here(self) -> dict[str, Stamp]:
        files = (Path(root) / name for root, _, names in os.walk(self.folder) for name in names)
        stamps = {file.relative_to(self.folder).as_posix(): _stamp(file) for file in files}
        return {name: stamp for name, stamp in stamps.items() if stamp is not None and not self._is_elsewhere(name)}

    def _read(self, name: str) -> bytes | None:
        """A file's content; None where it has just gone."""
        try:
            content = (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        return content[: content.rfind(b"\n") + 1] if _basename(name) in self.layout.growing else content

    def save(self) -> None:
        """Writes down what is known of both, for the next process."""
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
        path: Where the driver has it.
        remote: Where the task copies it; None: all nodes see ``path``.
        layout: Of the folder.
    """

    path: Path
    remote: Remote | None
    layout: Layout

    @contextmanager
    def opened(self, alive: Callable[[], None]) -> Iterator[tuple[Path, Callable[[], None]]]:
        """The folder where the task is, with what an earlier one has left in it, copied at the end.

        Args:
            alive: Called while the storage is away, and whenever the folder has grown.

        Yields:
            The folder, and what to call whenever it has grown: it copies now and then.

        Raises:
            InputError: The storage has been away for :data:`PATIENCE` at the beginning or at the end.
        """
        if self.remote is None:
            yield self.path, alive
            return
        with TemporaryDirectory() as scratch:
            copy = Copy(Path(scratch) / "folder", self.remote, self.layout)
            patiently(copy.pull, alive)
            copied = time.monotonic()

            def grown() -> None:
                nonlocal copied
                alive()
                if time.monotonic() - copied >= SECONDS:
                    with suppress(OSError):
                        copy.push()
                    copied = time.monotonic()

            yield copy.folder, grown
            patiently(copy.push, alive)


def patiently(action: Callable[[], object], on_wait: Callable[[], None] = lambda: None) -> None:
    """Does it, again and again while a storage is away.

    Args:
        action: What to do.
        on_wait: Called before each time that it is done again.

    Raises:
        InputError: It still is after :data:`PATIENCE`.
        OSError: It is something else.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            action()
            return
        except OSError as error:
            if error.errno is not None:  # of a disk, for what pyarrow raises of a server has none
                raise
            if time.monotonic() > deadline:
                away = f"the storage has been away for {PATIENCE / 60:.0f} minutes: {remote_trouble(error)}"
                raise InputError(f"{away}; the search can be resumed once it is back") from None
        time.sleep(2)
        on_wait()


def is_hidden(name: str) -> bool:
    """Whether a file is half written, or about the copying itself."""
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
