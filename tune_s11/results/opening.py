"""Opens the folder of a search or a single run: to begin it, to resume it, or to read it, wherever results lie."""

from pathlib import Path
from typing import Literal

from tune_s11.config import InputError
from tune_s11.results.folder import LAYOUT, SearchFolder, SingleRunFolder
from tune_s11.storage.copies import Copy
from tune_s11.storage.home import address_of, home_of
from tune_s11.storage.mirror import Mirror
from tune_s11.storage.remote import Remote, Storage, check_writable, explained, is_uri, parse_storage
from tune_s11.storage.workspace import Local, Workspace

Kind = Literal["search", "run"]

_RECORD: dict[Kind, str] = {
    "search": SearchFolder(Path()).space.name,
    "run": SingleRunFolder(Path()).record.name,
}
"""The file that makes a folder one of this kind."""


class NoSearchError(InputError):
    """A storage holds no search yet."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(f"{storage}: holds no search yet")


def begin(storage: Storage, name: str) -> Workspace:
    """The workspace of a search or run that is to begin, its folder absolute. It makes nothing yet.

    Raises:
        InputError: The name is taken, or the storage cannot be read.
    """
    folder = storage / name if isinstance(storage, Path) else home_of(storage, "work") / name
    with explained(storage):
        for place in (folder, storage / name):
            if place.exists():
                raise InputError(f"--name {name}: {place} exists; allowed is a new name, or --resume {name}")
    if isinstance(storage, Path):
        return Local(folder.resolve(), LAYOUT)
    check_writable(storage)
    return Mirror(folder, storage / name, LAYOUT)


def resume(storage: Storage, name: str, kind: Kind = "search") -> Workspace:
    """The workspace of a search or run that has begun, as new as the newer of the two where there is a copy.

    Args:
        storage: The parent of the results.
        name: Of the search or run, its path, or its address in a storage.
        kind: What is looked for.

    Raises:
        InputError: There is none, both have changed since they were alike, or the storage cannot be read.
    """
    if is_uri(name):
        address = parse_storage(name)
        storage, name = address.parent, address.name
    if isinstance(storage, Path):
        found = next((place for place in places(name, storage) if (place / _RECORD[kind]).is_file()), None)
        if found is None:
            raise InputError(_no_such(name, storage, kind))
        return Local(found.resolve(), LAYOUT)
    mirror = Mirror(home_of(storage, "work") / name, storage / name, LAYOUT)
    with explained(storage):
        if not _is_name(name) or (mirror.snapshot() is None and not mirror.folder.exists()):
            raise InputError(_no_such(name, storage, kind))
        check_writable(storage)
        mirror.catch_up()
    return mirror


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


def find_search(name: str | None, storage: Storage) -> Path:
    """The folder of a search by name or path; without a name the one begun last. From a storage it is pulled first.

    Raises:
        NoSearchError: There is none at all.
        InputError: There is none of that name.
    """
    if name is None:
        name = _latest(storage)
    for folder in places(name, storage):
        if SearchFolder(folder).space.is_file():
            return folder
    raise InputError(_no_such(name, storage))


def publish(folder: Path, under: str) -> Remote | None:
    """Copies a part of a pulled folder back to its storage, and says where it is there; None of any other folder.

    Raises:
        InputError: The storage cannot be written.
    """
    address = address_of(folder)
    if address is None:
        return None
    with explained(address):
        Copy(folder, address, LAYOUT).push(under)
    return address / under


def _latest(storage: Storage) -> str:
    """Name of the search begun last."""
    begun: dict[str, int]
    if isinstance(storage, Path):
        files = (SearchFolder(folder).space for folder in storage.glob("*"))
        begun = {file.parent.name: file.stat().st_mtime_ns for file in files if file.is_file()}
    else:
        with explained(storage):
            file = SearchFolder(Path()).space.name
            stamps = {name: (storage / name / file).stamp() for name in storage.folders()}
        begun = {name: stamp.mtime for name, stamp in stamps.items() if stamp is not None}
    if not begun:
        raise NoSearchError(storage)
    return max(begun, key=begun.__getitem__)


def _view(storage: Remote, name: str) -> Path:
    """A search or run to read, without what no reader wants."""
    copy = Copy(home_of(storage, "read") / name, storage / name, LAYOUT)
    with explained(storage):
        if not (_is_name(name) and copy.remote.exists()):
            raise InputError(_no_such(name, storage))
        copy.pull(wanted=LAYOUT.read)
    return copy.folder


def _no_such(name: str, storage: Storage, kind: Kind = "search") -> str:
    """The error line on a name that a storage does not have."""
    if isinstance(storage, Path):
        names = sorted(file.parent.name for file in storage.glob(f"*/{_RECORD[kind]}"))
    else:
        names = storage.folders()
    return f"{name}: no such {kind}; {storage} has {', '.join(names) or 'none'}"


def _is_name(name: str) -> bool:
    """Whether it is a folder's, and leads nowhere else."""
    return Path(name).name == name
