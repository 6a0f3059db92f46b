"""Opens the folder of a search or a single run to start, resume or read it, wherever the results are stored."""

from contextlib import nullcontext
from pathlib import Path
from typing import Literal

from tune_s11.config import InputError
from tune_s11.results.folder import LAYOUT, SearchFolder, SingleRunFolder
from tune_s11.storage.local_folders import address_of, home_of
from tune_s11.storage.lock import only_session
from tune_s11.storage.mirror import Mirror
from tune_s11.storage.remote import Remote, Storage, check_writable, explained, is_uri, parse_storage
from tune_s11.storage.sync import Copy
from tune_s11.storage.workspace import Local, Workspace

Kind = Literal["search", "run"]

_RECORD: dict[Kind, str] = {
    "search": SearchFolder(Path()).space.name,
    "run": SingleRunFolder(Path()).record.name,
}
"""File that identifies a folder as one of this kind."""


class UnknownNameError(InputError):
    """Raised when a storage holds nothing of the requested name."""


class NoSearchError(InputError):
    """Raised when a storage holds nothing of the requested kind yet."""

    def __init__(self, storage: Storage, *kinds: Kind) -> None:
        super().__init__(f"{storage}: holds no {_either(kinds or ('search',))} yet")


def check_name(name: str, option: str = "--name") -> str:
    """Check a folder name under the results, and return it.

    Args:
        name: The name.
        option: Option that gives it, for errors.

    Raises:
        InputError: The name would lead elsewhere.
    """
    if not name or name in {".", ".."} or "/" in name or "\\" in name or not name.isprintable() or len(name) > 80:
        raise InputError(f"{option} {name!r:.99}: expected one folder name of up to 80 characters")
    return name


def begin(storage: Storage, name: str) -> Workspace:
    """Return the workspace of a new search or run, with an absolute path. Its folder is not created yet.

    Raises:
        InputError: The name is taken, or the storage cannot be read.
    """
    folder = storage / name if isinstance(storage, Path) else home_of(storage, "work") / name
    with explained(storage):
        for place in (folder, storage / name):
            if place.exists():
                raise InputError(f"--name {name}: {place} exists; expected a new name, or --resume {name}")
    if isinstance(storage, Path):
        return _local(folder)
    check_writable(storage)
    return Mirror(folder, storage / name, LAYOUT)


def resume(storage: Storage, name: str, kind: Kind = "search") -> Workspace:
    """Return the workspace of a search or run to resume, updated to the newer of the folder and its copy in a storage.

    Args:
        storage: Parent of the results.
        name: Name of the search or run, its path, or its address in a storage.
        kind: Requested kind.

    Raises:
        InputError: There is none, folder and copy have both changed since they were identical, or the storage cannot
            be read; or another session is working on it.
    """
    storage, name = _parsed(name, storage)
    if isinstance(storage, Path):
        found = next((place for place in places(name, storage) if (place / _RECORD[kind]).is_file()), None)
        if found is None:
            raise UnknownNameError(_no_such(name, storage, (kind,)))
        return _local(found)
    mirror = Mirror(home_of(storage, "work") / name, storage / name, LAYOUT)
    with explained(storage):
        if not _is_name(name) or (mirror.snapshot() is None and not mirror.folder.exists()):
            raise UnknownNameError(_no_such(name, storage, (kind,)))
        check_writable(storage)
        with only_session(mirror.folder) if mirror.folder.exists() else nullcontext():
            mirror.catch_up()
    return mirror


def places(name: str, storage: Storage, kinds: tuple[Kind, ...] = ("search",)) -> tuple[Path, ...]:
    """Return the paths at which a search or run may be on this machine; one in a storage is pulled first.

    Args:
        name: Name, path or address of the search or run.
        storage: Storage in which names are looked up.
        kinds: Kinds that the error line names.

    Raises:
        InputError: The storage has none of that name, or cannot be read.
    """
    storage, name = _parsed(name, storage)
    return (_view(storage, name, kinds),) if isinstance(storage, Remote) else (storage / name, Path(name))


def find(name: str | None, storage: Storage, kinds: tuple[Kind, ...]) -> tuple[Kind, Path]:
    """Find a folder of one of these kinds by name, path or address; one in a storage is pulled first.

    Args:
        name: Name, path or address of the folder; None: the one started last.
        storage: Parent of the results.
        kinds: Requested kinds.

    Returns:
        Kind of the folder, and its path.

    Raises:
        NoSearchError: There is no folder of these kinds at all.
        InputError: There is none of that name.
    """
    if name is None:
        name = _latest(storage, kinds)
    for folder in places(name, storage, kinds):
        for kind in kinds:
            if (folder / _RECORD[kind]).is_file():
                return kind, folder
    raise UnknownNameError(_no_such(name, storage, kinds))


def find_search(name: str | None, storage: Storage) -> Path:
    """Find the folder of a search; see :func:`find` for arguments and errors."""
    return find(name, storage, ("search",))[1]


def publish(folder: Path, under: str) -> Remote | None:
    """Copy a part of a pulled folder back to its storage, and return its place there; None for any other folder.

    Raises:
        InputError: The storage cannot be written.
    """
    address = address_of(folder)
    if address is None:
        return None
    with explained(address):
        Copy(folder, address, LAYOUT).push(under)
    return address / under


def _local(folder: Path) -> Local:
    """Return the workspace of a folder on this machine.

    Raises:
        InputError: The path cannot be printed in a line, or in a command to copy.
    """
    folder = folder.resolve()
    if not str(folder).isprintable():
        reason = "must be a path without line breaks or control characters, in the encoding of the locale"
        raise InputError(f"--storage {str(folder.parent)!r}: {reason}")
    return Local(folder, LAYOUT)


def _latest(storage: Storage, kinds: tuple[Kind, ...]) -> str:
    """Return the name of the folder of these kinds that was started last."""
    started: list[tuple[int, str]]
    records = [_RECORD[kind] for kind in kinds]
    if isinstance(storage, Path):
        files = (file for record in records for file in storage.glob(f"*/{record}") if file.is_file())
        started = [(file.stat().st_mtime_ns, file.parent.name) for file in files]
    else:
        with explained(storage):
            places = [(name, storage / name / record) for name in storage.folders() for record in records]
            stamps = [(name, place.stamp()) for name, place in places]
        started = [(stamp.mtime, name) for name, stamp in stamps if stamp is not None]
    if not started:
        raise NoSearchError(storage, *kinds)
    return max(started)[1]


def _view(storage: Remote, name: str, kinds: tuple[Kind, ...]) -> Path:
    """Pull a search or run for reading, without the files that no reader needs; return its folder."""
    copy = Copy(home_of(storage, "read") / name, storage / name, LAYOUT)
    with explained(storage):
        if not (_is_name(name) and any((copy.remote / _RECORD[kind]).stamp() for kind in kinds)):
            raise UnknownNameError(_no_such(name, storage, kinds))
        copy.pull(wanted=LAYOUT.read)
    return copy.folder


def _parsed(name: str, storage: Storage) -> tuple[Storage, str]:
    """Return the storage and the name, or path, that an address contains; any other name stays as it is."""
    if not is_uri(name):
        return storage, name
    address = parse_storage(name, option="")
    if isinstance(address, Path):
        return address.parent, str(address)
    if not address.name:
        raise UnknownNameError(f"{name}: expected the address of a folder below it")
    return address.parent, address.name


def _no_such(name: str, storage: Storage, kinds: tuple[Kind, ...]) -> str:
    """Return the error line for a name that a storage does not have."""
    if isinstance(storage, Path):
        names = sorted(file.parent.name for kind in kinds for file in storage.glob(f"*/{_RECORD[kind]}"))
    else:
        names = storage.folders()
    return f"{name}: no such {_either(kinds)}; {storage} has {', '.join(names) or 'none'}"


def _either(kinds: tuple[Kind, ...]) -> str:
    return " or ".join(kinds)


def _is_name(name: str) -> bool:
    """Return whether a text is the name of a folder, and leads nowhere else."""
    return bool(name) and Path(name).name == name
