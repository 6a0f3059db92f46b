"""Opens the folder of a search or a single run: to begin it, to resume it, or to read it, wherever results lie."""

from pathlib import Path
from typing import Literal

from tune_s11.config import InputError
from tune_s11.results.folder import LAYOUT, SearchFolder, SingleRunFolder
from tune_s11.storage.home import address_of, home_of
from tune_s11.storage.mirror import Mirror
from tune_s11.storage.remote import Remote, Storage, check_writable, explained, is_uri, parse_storage
from tune_s11.storage.sync import Copy
from tune_s11.storage.workspace import Local, Workspace

Kind = Literal["search", "run"]

_RECORD: dict[Kind, str] = {
    "search": SearchFolder(Path()).space.name,
    "run": SingleRunFolder(Path()).record.name,
}
"""The file that makes a folder one of this kind."""


class UnknownNameError(InputError):
    """A storage holds nothing of the name that is looked for."""


class NoSearchError(InputError):
    """A storage holds nothing yet of what is looked for."""

    def __init__(self, storage: Storage, *kinds: Kind) -> None:
        super().__init__(f"{storage}: holds no {_either(kinds or ('search',))} yet")


def check_name(name: str) -> str:
    """A folder name under the results.

    Raises:
        InputError: The name would lead elsewhere.
    """
    if not name or name in {".", ".."} or "/" in name or "\\" in name or not name.isprintable() or len(name) > 80:
        raise InputError(f"--name {name!r:.99}: expected one folder name of up to 80 characters")
    return name


def begin(storage: Storage, name: str) -> Workspace:
    """The workspace of a search or run that is to begin, its folder absolute. It makes nothing yet.

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
            raise UnknownNameError(_no_such(name, storage, (kind,)))
        return _local(found)
    mirror = Mirror(home_of(storage, "work") / name, storage / name, LAYOUT)
    with explained(storage):
        if not _is_name(name) or (mirror.snapshot() is None and not mirror.folder.exists()):
            raise UnknownNameError(_no_such(name, storage, (kind,)))
        check_writable(storage)
        mirror.catch_up()
    return mirror


def places(name: str, storage: Storage, kinds: tuple[Kind, ...] = ("search",)) -> tuple[Path, ...]:
    """Where on this machine a search or run of that name, path or address may be read; from a storage it is pulled.

    Args:
        name: The name, path or address.
        storage: Where names are looked for.
        kinds: What the error line calls it.

    Raises:
        InputError: The storage has none of that name, or cannot be read.
    """
    if is_uri(name):
        address = parse_storage(name)
        if isinstance(address, Path):
            return (address,)
        storage, name = address.parent, address.name
    return (_view(storage, name, kinds),) if isinstance(storage, Remote) else (storage / name, Path(name))


def find(name: str | None, storage: Storage, kinds: tuple[Kind, ...]) -> tuple[Kind, Path]:
    """A folder of one of these kinds, by name, path or address; from a storage it is pulled first.

    Args:
        name: Of the folder; None: the one started last.
        storage: The parent of the results.
        kinds: What is looked for.

    Returns:
        What it is, and where.

    Raises:
        NoSearchError: There is none at all.
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
    """The folder of a search; arguments and errors as :func:`find`."""
    return find(name, storage, ("search",))[1]


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


def _local(folder: Path) -> Local:
    """The workspace of a folder on this machine.

    Raises:
        InputError: No line could name it, nor a command that can be copied.
    """
    folder = folder.resolve()
    if not str(folder).isprintable():
        reason = "must be a path without line breaks and control characters, in the encoding of the locale"
        raise InputError(f"--storage {str(folder.parent)!r}: {reason}")
    return Local(folder, LAYOUT)


def _latest(storage: Storage, kinds: tuple[Kind, ...]) -> str:
    """Name of the folder of these kinds that was started last."""
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
    """A search or run to read, without what no reader wants."""
    copy = Copy(home_of(storage, "read") / name, storage / name, LAYOUT)
    with explained(storage):
        if not (_is_name(name) and copy.remote.exists()):
            raise UnknownNameError(_no_such(name, storage, kinds))
        copy.pull(wanted=LAYOUT.read)
    return copy.folder


def _no_such(name: str, storage: Storage, kinds: tuple[Kind, ...]) -> str:
    """The error line on a name that a storage does not have."""
    if isinstance(storage, Path):
        names = sorted(file.parent.name for kind in kinds for file in storage.glob(f"*/{_RECORD[kind]}"))
    else:
        names = storage.folders()
    return f"{name}: no such {_either(kinds)}; {storage} has {', '.join(names) or 'none'}"


def _either(kinds: tuple[Kind, ...]) -> str:
    return " or ".join(kinds)


def _is_name(name: str) -> bool:
    """Whether it is a folder's, and leads nowhere else."""
    return Path(name).name == name
