"""Lists the images and classes of a folder or a CSV, before any image is opened.

Folders are walked here and not by torchvision, which takes seconds to import and follows circular links until
the system stops it. As in torchvision, the classes are the sorted names of the folders, and images may lie in
subfolders of a class. Names that begin with a dot are skipped.
"""

import csv
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tune_s11.config import InputError
from tune_s11.data.decoding import SUFFIXES

CSV_SUFFIX = ".csv"

_VALIDATION = ("val", "valid", "validation", "dev")
"""Folders of other layouts that are not read."""

_FILE, _LABEL, _SPLIT = "file", "label", "split"


class ImageFile(NamedTuple):
    """An image file that was found but not yet opened."""

    path: str
    label: int
    size: int
    """Size in bytes."""
    mtime_ns: int


@dataclass(frozen=True)
class Listing:
    """The images of a user's own data set.

    Attributes:
        root: Folder that holds the images, or the folder of the CSV.
        classes: Class names, by label.
        train: Training images, validation images included.
        test: Test images; None if there are none with classes.
        notes: Remarks for the user, one line each.
    """

    root: Path
    classes: tuple[str, ...]
    train: list[ImageFile]
    test: list[ImageFile] | None
    notes: tuple[str, ...] = ()


def list_images(source: Path) -> Listing:
    """List the images of ``DIR/{train,test}/<class>/``, or those that a CSV lists.

    ``test/`` may be missing. If it holds images without class folders, as Kaggle's data sets do, they are skipped.

    Args:
        source: Folder or CSV. The first line of a CSV names the columns ``file`` (relative to the CSV's folder) and
            ``label``, or two others that mean these, in this order. A column ``split`` may assign each image to
            ``train`` or ``test``.

    Raises:
        InputError: Something is missing or unreadable, train and test differ in their classes, there are fewer
            than two classes, or a class has no images.
    """
    try:
        if source.suffix.lower() == CSV_SUFFIX and not source.is_dir():
            return _list_csv(source)
        return _list_folder(source)
    except OSError as error:
        raise InputError(f"data_dir {str(error.filename)!r}: cannot be read: {error.strerror}") from None


# --- a folder


def _list_folder(root: Path) -> Listing:
    if not root.is_dir():
        raise InputError(f"data_dir {str(root)!r}: no such folder")
    if not (root / "train").is_dir():
        raise InputError(f"data_dir {str(root)!r}: has no folder train/; it must hold train/<class>/")
    classes, notes = _find_classes(root / "train"), []
    test_classes = _find_classes(root / "test") if (root / "test").is_dir() else []
    if test_classes:
        _check_classes(classes, test_classes, f"data_dir {str(root)!r}", ("train/", "test/"))
    elif (root / "test").is_dir():
        count = sum(1 for _ in _walk(str(root / "test"), set()))
        images = "1 image" if count == 1 else f"{count:,} images"
        notes.append(f"test/ has no class folders: ignored, with its {images}")
    notes += [
        f"{name}/ is ignored: validation images are taken from train/; as test/ it would be tested on"
        for name in _VALIDATION
        if (root / name).is_dir()
    ]
    _check_several(classes, f"data_dir {str(root)!r}", "class folders in train/")
    return Listing(
        root,
        tuple(classes),
        _find_images(root / "train", classes),
        _find_images(root / "test", classes) if test_classes else None,
        tuple(notes),
    )


def _find_classes(split: Path) -> list[str]:
    with os.scandir(split) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _find_images(split: Path, classes: list[str]) -> list[ImageFile]:
    files: list[ImageFile] = []
    for label, name in enumerate(classes):
        paths = list(_walk(str(split / name), set()))
        if not paths:
            raise InputError(f"{str(split / name)!r}: this class has no images; looked for {' '.join(SUFFIXES)}")
        files.extend(_image_file(path, label) for path in paths)
    return files


def walk_images(folder: Path) -> list[Path]:
    """List all images below a folder in the order of their paths, each file once.

    Raises:
        OSError: The folder cannot be read.
    """
    return [Path(path) for path in _walk(str(folder), set())]


def _walk(folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    status = os.stat(folder)
    if (status.st_dev, status.st_ino) in seen:  # a link, perhaps circular, to a folder that has been read already
        return
    seen.add((status.st_dev, status.st_ino))
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _walk(entry.path, seen)
            elif entry.name.lower().endswith(SUFFIXES):
                yield entry.path


# --- a CSV


class _Row(NamedTuple):
    path: str
    label: str
    split: str


def _list_csv(source: Path) -> Listing:
    rows = _read_rows(source)
    by_split = {name: [row for row in rows if row.split == name] for name in ("train", "test")}
    classes, test_classes = (sorted({row.label for row in each}) for each in by_split.values())
    where = f"data_dir {str(source)!r}"
    if test_classes:
        _check_classes(classes, test_classes, where, ("train", "test"))
    _check_several(classes, where, "labels")
    label_of = {name: label for label, name in enumerate(classes)}
    # Sorted by class and path like the images of a folder: the order of the lines does not matter.
    train, test = (
        [_image_file(row.path, label_of[row.label]) for row in sorted(each, key=lambda row: (row.label, row.path))]
        for each in by_split.values()
    )
    return Listing(source.parent, tuple(classes), train, test or None)


def _read_rows(source: Path) -> list[_Row]:
    rows: list[_Row] = []
    lines_of: dict[str, int] = {}
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            columns = _columns(next(reader, []), source)
            for cells in filter(None, reader):
                where = f"data_dir {str(source)!r}: line {reader.line_num}"
                row = _row(cells, columns, source.parent, where)
                if (before := lines_of.setdefault(row.path, reader.line_num)) != reader.line_num:
                    raise InputError(f"{where}: {row.path!r} must be listed only once; line {before} has it too")
                rows.append(row)
    except FileNotFoundError:
        raise InputError(f"data_dir {str(source)!r}: no such file") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"data_dir {str(source)!r}: cannot be read as CSV: {error}") from None
    return rows


def _columns(header: list[str], source: Path) -> dict[str, int]:
    """Return the position of each column in a line."""
    names = [name.strip().lower() for name in header]
    if _FILE in names and _LABEL in names:
        return {name: names.index(name) for name in (_FILE, _LABEL, _SPLIT) if name in names}
    where = f"data_dir {str(source)!r}: line 1"
    if len(names) != 2:
        raise InputError(f"{where}: must name the columns {_FILE} and {_LABEL} (got {', '.join(header) or 'nothing'})")
    if (source.parent / header[0]).is_file():
        raise InputError(f"{where}: must name the columns, such as {_FILE},{_LABEL} (got an image, {header[0]!r})")
    return {_FILE: 0, _LABEL: 1}


def _row(cells: list[str], columns: dict[str, int], folder: Path, where: str) -> _Row:
    if len(cells) <= max(columns.values()):
        raise InputError(f"{where}: must have {max(columns.values()) + 1} cells or more (got {len(cells)})")
    file, label = (cells[columns[name]].strip() for name in (_FILE, _LABEL))
    split = cells[columns[_SPLIT]].strip().lower() if _SPLIT in columns else "train"
    if split not in ("train", "test"):
        raise InputError(f"{where}: {_SPLIT}: must be train or test (got {split!r})")
    for name, value in ((_FILE, file), (_LABEL, label)):
        if not value:
            raise InputError(f"{where}: {name}: must not be empty")
    path = os.path.normpath(folder / file)
    if not os.path.exists(path):
        raise InputError(f"{where}: {path!r}: no such file; paths are relative to the CSV's folder")
    return _Row(path, label, split)


# --- both


def _image_file(path: str, label: int) -> ImageFile:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        kind = "is empty" if stat.S_ISREG(status.st_mode) else "is not a regular file"
        raise InputError(f"{path!r}: cannot be decoded as an image: {kind}")
    return ImageFile(path, label, status.st_size, status.st_mtime_ns)


def _check_classes(train: list[str], test: list[str], where: str, names: tuple[str, str]) -> None:
    differences = [
        f"only in {name.rstrip('/')}: {_some(only)}"
        for name, only in zip(names, (set(train) - set(test), set(test) - set(train)), strict=True)
        if only
    ]
    if differences:
        raise InputError(f"{where}: {names[0]} and {names[1]} differ in their classes; {'; '.join(differences)}")


def _check_several(classes: list[str], where: str, what: str) -> None:
    if len(classes) < 2:
        raise InputError(f"{where}: must have 2 or more {what} (got {len(classes)})")


def _some(names: set[str]) -> str:
    shown = [repr(name) for name in sorted(names)[:5]]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
