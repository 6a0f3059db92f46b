"""The folder that a search works in and its copy in a storage: pulled to begin with, pushed as it grows.

A search whose results go to a storage works in a folder below the cache, as any search does, and a thread copies what
has changed. Each snapshot has an identity, in ``snapshot``; the folder remembers the last that it has seen, so
that neither another machine's results nor its own are ever written over by older ones.
"""

import hashlib
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tune_s11.checkpoint import write_whole
from tune_s11.config import InputError
from tune_s11.console import STORAGE_FILE, resume_command
from tune_s11.copies import SECONDS, SNAPSHOT, Copy, is_tunes
from tune_s11.data.cache import cache_dir
from tune_s11.storage import Remote, Storage, check_writable, is_uri, parse_storage, remote_trouble, s3_endpoint


class Mirror(Copy):
    """The folder that a search or a run works in, and its copy, which remembers whose snapshot it is.

    Args:
        folder: On this machine.
        remote: In the storage.
    """

    def __init__(self, folder: Path, remote: Remote) -> None:
        super().__init__(folder, remote)
        self._say: Callable[[str], None] = lambda line: None
        self._away = self._conflict = False

    def catch_up(self) -> None:
        """Pulls what other machines have made of it.

        Raises:
            InputError: This one has gone on with it too, or another is doing so now.
            OSError: As :meth:`Copy.pull`.
        """
        with self.lock:
            there = self.snapshot()
            if there in self.snapshots and self.whole:
                self.pull("trials", lambda file: "/checkpoint_" in file)  # workers write these there themselves
                return
            if self.whole and self.is_changed():
                raise InputError(self._both_changed())
            self.snapshots, self.whole = [there], False
            self.pull()
            if self.snapshot() != there:
                raise InputError(f"{self.remote}: another machine is writing it; allowed is to wait for its end")
            self.whole = True
            self.save()

    def push(self, under: str = "") -> bool:
        """As :meth:`Copy.push`, as a snapshot of its own.

        Raises:
            InputError: Another machine has written one since.
        """
        with self.lock:
            there, mine = self.snapshot(), uuid.uuid4().hex
            if there not in self.snapshots:
                raise InputError(self._both_changed())
            if not self.is_changed():
                return False
            self.snapshots = [there, mine]  # either, should this be cut off
            self.save()
            (self.remote / SNAPSHOT).write(f"{mine}\n".encode())  # before the files: who has the one before pulls these
            if self.snapshot() != mine:
                raise InputError(self._both_changed())
            super().push(under)
            self.snapshots = [mine]
            self.save()
            return True

    @contextmanager
    def copying(self, say: Callable[[str], None]) -> Iterator[None]:
        """Copies every :data:`SECONDS`, and once at the beginning and at the end.

        Args:
            say: Called with a line when the storage is away, or back.

        Raises:
            InputError: The storage cannot be written at the beginning, or at the end. All is in the folder then.
        """
        self._say = say
        with _in_words(self.remote):
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
            with suppress(InputError):
                self.finish()
            raise
        stop.set()
        thread.join()
        self.finish()

    def remote_of(self, file: Path | Remote | None) -> Remote | None:
        """Where the storage has a file of the folder."""
        return self.remote / file.relative_to(self.folder).as_posix() if isinstance(file, Path) else file

    def drop_checkpoints(self, trial: str) -> None:
        """Deletes the checkpoints of a trial, of all its attempts, in the storage, or leaves them to the end."""
        attempts = [each for pattern in (trial, f"{trial}.*") for each in (self.folder / "trials").glob(pattern)]
        with suppress(OSError):
            for place in (self.remote / "trials" / attempt.name for attempt in attempts):
                for name in place.files():
                    if name.startswith("checkpoint_"):
                        (place / name).delete()

    def _copy(self, stop: threading.Event) -> None:
        while not stop.wait(SECONDS) and not self._conflict:
            self._attempt()

    def _attempt(self) -> bool:
        """Whether the storage is up to date now; says it when that has changed."""
        try:
            self.push()
        except OSError as error:
            if not self._away:
                self._say(f"storage: {self.remote}: {remote_trouble(error)}; the search goes on in {self.folder}")
            self._away = True
            return False
        except InputError as error:
            if not self._conflict:
                self._say(f"storage: {error}")
            self._conflict = True
            return False
        if self._away:
            self._say(f"storage: {self.remote} is back and up to date")
        self._away = False
        return True

    def finish(self) -> None:
        """Brings the storage up to date for the last time.

        Raises:
            InputError: It cannot be; all is in the folder.
        """
        if not self._attempt():
            reason = "another machine has gone on with it" if self._conflict else "it cannot be reached"
            line = f"{self.remote}: is not up to date, for {reason}; all is in {self.folder}"
            if not self._conflict:
                line += f", and is brought up by: {resume_command(self.folder)}"
            raise InputError(line)

    def snapshot(self) -> str | None:
        """Of the last one in the storage; None before the first."""
        content = (self.remote / SNAPSHOT).read()
        return None if content is None else content.decode(errors="replace").strip()

    def _both_changed(self) -> str:
        return (
            f"{self.remote}: another machine has gone on with it, and so has this one, in {self.folder}; "
            "allowed is to move that folder away, and to go on with what the storage has"
        )


def begin(storage: Storage, name: str) -> tuple[Path, Mirror | None]:
    """The folder of a search or run that is to begin, and its mirror where results go to a storage.

    Raises:
        InputError: The name is taken, or the storage cannot be read.
    """
    folder = storage / name if isinstance(storage, Path) else _home("work", storage) / name
    with _in_words(storage):
        for place in (folder, storage / name):
            if place.exists():
                raise InputError(f"--name {name}: {place} exists; allowed is a new name, or --resume {name}")
    if isinstance(storage, Remote):
        check_writable(storage)
    return folder, None if isinstance(storage, Path) else Mirror(folder, storage / name)


def take_up(storage: Storage, name: str) -> tuple[Path, Mirror | None]:
    """The folder of a search or run that has begun, as new as the newer of the two, and its mirror.

    Raises:
        InputError: A storage has none, both have changed since they were alike, or the storage cannot be read.
    """
    if isinstance(storage, Path):
        return storage / name, None
    mirror = Mirror(_home("work", storage) / name, storage / name)
    with _in_words(storage):
        if not _is_name(name) or (mirror.snapshot() is None and not mirror.folder.exists()):
            raise InputError(_no_such(name, storage))
        check_writable(storage)
        mirror.catch_up()
    return mirror.folder, mirror


def places(name: str, storage: Storage) -> tuple[Path, ...]:
    """Where on this machine a search or run of that name, path or address may be read; from a storage it is pulled.

    Raises:
        InputError: The storage has none of that name, or cannot be read.
    """
    if is_uri(name):
        address = parse_storage(name)
        if isinstance(address, Path):
            return (address,)
        storage, name = address.parent, address.name
    return (_view(storage, name),) if isinstance(storage, Remote) else (storage / name, Path(name))


def latest(storage: Remote) -> str:
    """Name of the search begun last.

    Raises:
        InputError: There is none, or the storage cannot be read.
    """
    with _in_words(storage):
        stamps = {name: (storage / name / "search.yaml").stamp() for name in storage.folders()}
    begun = {name: stamp.mtime for name, stamp in stamps.items() if stamp is not None}
    if not begun:
        raise InputError(f"{storage}: holds no search yet; one begins with: python run_search.py --space quick")
    return max(begun, key=begun.__getitem__)


def publish(folder: Path, under: str) -> Remote | None:
    """Copies a part of a pulled folder back to its storage, and says where it is there; None of any other folder.

    Raises:
        InputError: The storage cannot be written.
    """
    address = folder.parent / STORAGE_FILE
    if not address.exists():
        return None
    copy = Copy(folder, Remote(address.read_text()) / folder.name)
    with _in_words(copy.remote):
        copy.push(under)
    return copy.remote / under


def _view(storage: Remote, name: str) -> Path:
    """A search or run to read, without what no reader wants."""
    copy = Copy(_home("read", storage) / name, storage / name)
    with _in_words(storage):
        if not (_is_name(name) and copy.remote.exists()):
            raise InputError(_no_such(name, storage))
        copy.pull(wanted=_is_read)
    return copy.folder


def _no_such(name: str, storage: Remote) -> str:
    """What to say of a name that a storage does not have."""
    return f"{name}: no such search; {storage} has {', '.join(storage.folders()) or 'none'}"


def _is_name(name: str) -> bool:
    """Whether it is a folder's, and leads nowhere else."""
    return Path(name).name == name


def _is_read(name: str) -> bool:
    """Whether a report may want a file of a search: of checkpoints only the refits'."""
    part, _, rest = name.partition("/")
    if part in {"trials", "finalists"} and "checkpoint" in rest:
        return False
    return part not in {"tensorboard", "study.log"} and not is_tunes(name)


def _home(kind: str, storage: Remote) -> Path:
    """This machine's folder for a storage, with its address in it for :func:`tune_s11.console.storage_option`.

    The same address under another endpoint is another storage.
    """
    digest = hashlib.sha256(f"{storage.uri} {s3_endpoint()}".encode()).hexdigest()[:8]
    plain = re.sub(r"[^A-Za-z0-9]+", "-", storage.uri.partition("?")[0])[:60]
    folder = cache_dir().resolve() / "storage" / kind / f"{plain}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / STORAGE_FILE, storage.uri)
    return folder


@contextmanager
def _in_words(storage: Storage) -> Iterator[None]:
    """Whatever the storage does not do is the user's to mend."""
    try:
        yield
    except OSError as error:
        raise InputError(f"--storage {storage}: {remote_trouble(error)}") from None
