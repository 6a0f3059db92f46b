"""Reads a user's own images: decodes them once, caches them, and holds out test images if there are none."""

import hashlib
import os
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tune_s11.config import InputError
from tune_s11.data.cache import cache_dir, read_entry, write_entry
from tune_s11.data.dataset import Dataset, Images, Pixels
from tune_s11.data.decoding import decode, describe_changes, empty_pixels
from tune_s11.data.listing import ImageFile, Listing, list_images
from tune_s11.data.split import hold_out_test

CACHE_FORMAT = 2
"""Version that is part of every cache key: raise it when the same files would give other arrays."""

CHUNK = 256
"""Images that a thread decodes at a time."""

SMALL_FILE = 8192
"""Average file size in bytes below which one thread decodes all files: several would spend more time competing
for the interpreter's lock than decoding (60,000 32x32 PNGs on 2 cores: 10 s with one thread, 14 s with two)."""


def read_folder(source: Path, image_size: int, test_fraction: float | None = None) -> Dataset:
    """Read all images of a folder, or those that a CSV lists.

    Args:
        source: Folder or CSV; see :func:`tune_s11.data.listing.list_images`.
        image_size: Height and width in pixels to which all images are resized.
        test_fraction: Share of the training images to hold out as test images if there are no others;
            None: :data:`tune_s11.data.split.TEST_FRACTION`.

    Returns:
        Classes, images of both splits in the order of their classes and paths, and a note on each kind of change made
        to them.

    Raises:
        InputError: See :func:`tune_s11.data.listing.list_images`. Also raised if an image cannot be decoded, or if
            ``test_fraction`` is given although there are test images, or leaves a class without any.
    """
    listing = list_images(source)
    if listing.test is not None and test_fraction is not None:
        raise InputError(
            f"test_fraction {test_fraction:g}: must be omitted, because {str(source)!r} has its own test images"
        )
    arrays, notes = _decoded(listing, image_size)
    train, notes = Images(arrays["train_pixels"], arrays["train_labels"]), (*listing.notes, *notes)
    if listing.test is not None:
        return Dataset(listing.classes, train, Images(arrays["test_pixels"], arrays["test_labels"]), notes)
    train, test, note = hold_out_test(train, test_fraction, listing.classes)
    return Dataset(listing.classes, train, test, (*notes, note))


def _decoded(listing: Listing, image_size: int) -> tuple[dict[str, npt.NDArray[Any]], tuple[str, ...]]:
    """Return pixels and labels by split, and notes; from the cache if it holds them."""
    files = {"train": listing.train, "test": listing.test or []}
    entry = cache_dir() / "folders" / _cache_key(listing.root, files, image_size)
    cached = read_entry(entry)
    if cached is not None:
        arrays, about = cached
        return arrays, tuple(about["notes"])
    arrays, changes = {}, Counter[str]()
    for split, found in files.items():
        arrays[f"{split}_pixels"], split_changes = _decode_all(found, image_size)
        arrays[f"{split}_labels"] = np.array([file.label for file in found], np.int64)
        changes += split_changes
    notes = describe_changes(changes, image_size)
    damaged = entry.exists()
    try:
        write_entry(entry, arrays, {"notes": notes})
    except OSError as error:
        notes += (f"decoded images are not cached: cannot write {str(entry.parent)!r}: {error.strerror}",)
    if damaged:
        notes += (f"decoded again, because their cached copy is damaged: {str(entry)!r}",)
    return arrays, notes


def _cache_key(root: Path, files: dict[str, list[ImageFile]], image_size: int) -> str:
    # The root is part of the key: images from another archive may have the same names, sizes and dates.
    listed = [[(file.path.removeprefix(str(root)), file[1:]) for file in split] for split in files.values()]
    key = repr((CACHE_FORMAT, image_size, os.path.realpath(root), listed))
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _decode_all(files: list[ImageFile], image_size: int) -> tuple[Pixels, Counter[str]]:
    """Return pixels (N, image_size, image_size, 3), and how often each change was made."""
    pixels = empty_pixels(len(files), image_size)

    def decode_chunk(start: int) -> Counter[str]:
        chunk_changes = Counter[str]()
        for index, file in enumerate(files[start : start + CHUNK], start):
            pixels[index], changes = decode(file.path, image_size)
            chunk_changes.update(changes)
        return chunk_changes

    threads = 1 if sum(file.size for file in files) < SMALL_FILE * len(files) else None
    changes = Counter[str]()
    with warnings.catch_warnings(), ThreadPoolExecutor(threads) as pool:
        # Set here for all threads, since filters apply to the whole process: an oversized image raises an error.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")  # damaged metadata, which are not used
        for chunk_changes in pool.map(decode_chunk, range(0, len(files), CHUNK)):
            changes += chunk_changes
    return pixels, changes
