"""Loads the images of a recipe: CIFAR-10, scikit-learn's digits, or a folder."""

from pathlib import Path
from typing import Any

import numpy as np

from tune_s11.config import InputError, Recipe
from tune_s11.data.cache import cache_dir
from tune_s11.data.dataset import Dataset, Images
from tune_s11.data.decoding import resize
from tune_s11.data.folder import read_folder
from tune_s11.data.listing import CSV_SUFFIX

DIGITS_TEST_IMAGES = 360


def load_dataset(recipe: Recipe) -> Dataset:
    """Read the images of ``recipe.dataset``, resized to ``recipe.image_size``.

    The first call may download (``cifar10``) or decode (``folder``) them; later calls reuse the result.

    Raises:
        InputError: The images are missing or cannot be read, or ``data_dir`` holds images but is not to be read.
    """
    if recipe.dataset != "folder" and recipe.data_dir is not None:
        _check_no_folder(recipe.dataset, Path(recipe.data_dir))
    if recipe.dataset == "cifar10":
        return _read_cifar10(Path(recipe.data_dir) if recipe.data_dir else cache_dir(), recipe.image_size)
    if recipe.dataset == "digits":
        return _read_digits(recipe.image_size)
    assert recipe.data_dir is not None  # a recipe for a folder has one
    return read_folder(Path(recipe.data_dir), recipe.image_size, recipe.test_fraction)


def _check_no_folder(dataset: str, data_dir: Path) -> None:
    """Refuse a user's own images that would be ignored, or get CIFAR-10 unpacked beside them."""
    if dataset == "digits" or (data_dir / "train").is_dir() or data_dir.suffix.lower() == CSV_SUFFIX:
        raise InputError(f"data_dir {str(data_dir)!r}: is not read with dataset {dataset}; expected dataset folder")


def _read_cifar10(root: Path, image_size: int) -> Dataset:
    import torchvision  # takes seconds to import, and only this dataset needs it
    from filelock import FileLock

    def load(download: bool) -> tuple[Any, Any]:
        train, test = (torchvision.datasets.CIFAR10(root, each, download=download) for each in (True, False))
        return train, test

    try:
        train, test = load(download=False)  # verifies checksums, and leaves a read-only folder alone
    except (OSError, RuntimeError):
        try:
            root.mkdir(parents=True, exist_ok=True)
            with FileLock(root / ".cifar10.lock"):
                train, test = load(download=True)
        except Exception as error:  # network, disk, archive and HTTP errors share no base class
            reason = " ".join(str(error).split())[:100] or type(error).__name__
            raise InputError(
                f"dataset cifar10: cannot be downloaded into {str(root)!r} ({reason}); "
                "--data-dir DIR reads a folder of images instead, --space quick needs no download"
            ) from None
    classes = tuple(train.classes)
    train, test = (Images(np.ascontiguousarray(each.data), np.array(each.targets, np.int64)) for each in (train, test))
    return _resized(Dataset(classes, train, test), image_size)


def _read_digits(image_size: int) -> Dataset:
    from sklearn.datasets import load_digits  # takes seconds to import, and workers receive their images ready-made
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # 0..16
    images = Images(np.repeat(grey[..., None], 3, axis=3), digits.target.astype(np.int64))
    train, test = train_test_split(
        np.arange(len(images)), test_size=DIGITS_TEST_IMAGES, stratify=images.labels, random_state=0
    )
    classes = tuple(str(name) for name in digits.target_names)
    return _resized(Dataset(classes, images.subset(np.sort(train)), images.subset(np.sort(test))), image_size)


def _resized(dataset: Dataset, size: int) -> Dataset:
    height, width = dataset.train.pixels.shape[1:3]
    if (height, width) == (size, size):
        return dataset
    train, test = (Images(resize(each.pixels, size), each.labels) for each in (dataset.train, dataset.test))
    note = f"{len(train) + len(test):,} images resized from {height}x{width} to {size}x{size}"
    return Dataset(dataset.classes, train, test, (*dataset.notes, note))
