"""Images out of ``DIR/{train,test}/<class>/``, the layout of torchvision's ImageFolder; decoded once, then cached.

The folders are walked here and not by torchvision, which follows circular links until the system
stops it and takes seconds to import. As there, the classes are the folders' names, sorted, and images may lie
in folders within a class's; names that begin with a dot are passed over.
"""

import hashlib
import os
import stat
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tune_s11.config import InputError
from tune_s11.data.cache import cache_dir, read_entry, write_entry
from tune_s11.data.dataset import Dataset, Images, Pixels
from tune_s11.data.decoding import SUFFIXES, decode, describe_changes

CACHE_FORMAT = 1
"""Part of every cache key: raise it when the same files would give other arrays."""

CHUNK = 256
"""Images that a thread decodes at a time."""

SMALL_FILE = 8192
"""Bytes. Files smaller on average are decoded by one thread: several spend more time handing over
the interpreter's lock than decoding (60,000 32x32 PNGs on 2 cores: 10 s with one thread, 14 s with two)."""


class ImageFile(NamedTuple):
    """An image as it was found, not yet opened."""

    path: str
    label: int
    size: int
    """Bytes."""
    mtime_ns: int


def read_folder(root: Path, image_size: int) -> Dataset:
    """Reads all images below a folder.

    Args:
        root: The folder that holds ``train/`` and ``test/``.
        image_size: Height and width in pixels that all images get.

    Returns:
        Classes, images of both splits in the order of their paths, and a note on each kind of change made to them.

    Raises:
        InputError: ``root`` or a split is missing or unreadable, the splits' classes differ, there are
            fewer than two, a class is without images, or an image cannot be decoded.
    """
    try:
        classes, files = _list_files(root)
    except OSError as error:
        raise InputError(f"data_dir {str(error.filename)!r}: cannot be read: {error.strerror}") from None

    entry = cache_dir() / "folders" / _cache_key(root, files, image_size)
    cached = read_entry(entry)
    if cached is not None:
        arrays, about = cached
        notes = tuple(about["notes"])
    else:
        arrays = {}
        changes = Counter[str]()
        for split, found in files.items():
            arrays[f"{split}_pixels"], split_changes = _decode_all(found, image_size)
            arrays[f"{split}_labels"] = np.array([file.label for file in found], np.int64)
            changes += split_changes
        notes = describe_changes(changes, image_size)
        damaged = entry.exists()
        try:
            write_entry(entry, arrays, {"notes": notes})
        except OSError as error:
            notes += (f"decoded images are not kept: cannot write {str(entry.parent)!r}: {error.strerror}",)
        if damaged:
            notes += (f"decoded anew, for what was kept of them is damaged: {str(entry)!r}",)
    train, test = (Images(arrays[f"{split}_pixels"], arrays[f"{split}_labels"]) for split in files)
    return Dataset(tuple(classes), train, test, notes)


def _list_files(root: Path) -> tuple[list[str], dict[str, list[ImageFile]]]:
    if not root.is_dir():
        raise InputError(f"data_dir {str(root)!r}: no such folder")
    classes = {split: _find_classes(root, split) for split in ("train", "test")}
    names = classes["train"]
    if names != classes["test"]:
        differences = [
            f"only in {split}: {_some(set(classes[split]) - set(classes[other]))}"
            for split, other in (("train", "test"), ("test", "train"))
            if set(classes[split]) - set(classes[other])
        ]
        raise InputError(f"data_dir {str(root)!r}: train/ and test/ differ in their classes; {'; '.join(differences)}")
    if len(names) < 2:
        raise InputError(f"data_dir {str(root)!r}: found {len(names)} class folders in train/: allowed are 2 or more")
    return names, {split: _find_images(root / split, names) for split in classes}


def _find_classes(root: Path, split: str) -> list[str]:
    if not (root / split).is_dir():
        raise InputError(f"data_dir {str(root)!r}: has no folder {split}/; needed are train/ and test/")
    with os.scandir(root / split) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _some(names: set[str]) -> str:
    shown = [repr(name) for name in sorted(names)[:5]]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _find_images(split: Path, classes: list[str]) -> list[ImageFile]:
    files = []
    for label, name in enumerate(classes):
        paths = list(_walk(str(split / name), set()))
        if not paths:
            raise InputError(f"{str(split / name)!r}: this class has no images; looked for {' '.join(SUFFIXES)}")
        for path in paths:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
                kind = "is empty" if stat.S_ISREG(status.st_mode) else "is not a regular file"
                raise InputError(f"{path!r}: cannot be decoded as an image: {kind}")
            files.append(ImageFile(path, label, status.st_size, status.st_mtime_ns))
    return files


def _walk(folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    status = os.stat(folder)
    if (status.st_dev, status.st_ino) in seen:  # a link into a folder that was read already, perhaps in a circle
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


def _cache_key(root: Path, files: dict[str, list[ImageFile]], image_size: int) -> str:
    # The root belongs to it because other images may bear the same names, sizes and dates: archives make that happen.
    listed = [(file.path.removeprefix(str(root)), file[1:]) for split in files.values() for file in split]
    key = repr((CACHE_FORMAT, image_size, os.path.realpath(root), listed))
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _decode_all(files: list[ImageFile], image_size: int) -> tuple[Pixels, Counter[str]]:
    """Pixels (N, image_size, image_size, 3), and how often each change was made."""
    pixels = np.empty((len(files), image_size, image_size, 3), np.uint8)

    def decode_chunk(start: int) -> Counter[str]:
        chunk_changes = Counter[str]()
        for index, file in enumerate(files[start : start + CHUNK], start):
            pixels[index], changes = decode(file.path, image_size)
            chunk_changes.update(changes)
        return chunk_changes

    threads = 1 if sum(file.size for file in files) < SMALL_FILE * len(files) else None
    changes = Counter[str]()
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
        # Set here for all threads, since filters are the process's: an image too large is an error, not a warning.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for chunk_changes in pool.map(decode_chunk, range(0, len(files), CHUNK)):
            changes += chunk_changes
    return pixels, changes
