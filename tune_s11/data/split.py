"""Splits images: first test images are held out, then training images are split into training and validation."""

from collections.abc import Sequence

import numpy as np

from tune_s11.config import InputError, Recipe
from tune_s11.data.dataset import Images, Indices

TEST_FRACTION = 0.2
"""Share of the images to hold out as test images if there are no others and the recipe names no share."""

_TEST_SEED = 0
"""Seed that selects these test images. It is the same for every search, whatever the search's own seed, so no search is
tested on images that another one was trained on, and searches can be compared."""


def hold_out_test(images: Images, fraction: float | None, classes: Sequence[str] = ()) -> tuple[Images, Images, str]:
    """Split images into training and test images before anything is chosen; each class keeps its share in both.

    Args:
        images: All images.
        fraction: Share of the test images; None: :data:`TEST_FRACTION`.
        classes: Class names by label, for errors.

    Returns:
        Training and test images, each in their original order, and a note on the split for the user.

    Raises:
        InputError: There are too few images to have every class in both parts.
    """
    fraction = TEST_FRACTION if fraction is None else fraction
    size = round(len(images) * fraction)
    given = f"test_fraction {fraction:g}"
    train, test = _divide(images, np.arange(len(images)), size, _TEST_SEED, given, classes)
    share = f"{size:,} of {len(images):,} images are held out as such"
    note = f"no test images by class: {share} ({given})"
    return *_parts(images, train, test, given, classes), note


def split(images: Images, recipe: Recipe, seed: int, classes: Sequence[str] = ()) -> tuple[Images, Images]:
    """Split images so that each class keeps its share in both parts.

    Args:
        images: All training images.
        recipe: Recipe with ``train_images`` and ``val_fraction``. Exactly ``train_images`` are taken first, also
            stratified; then ``val_fraction`` of these is held out.
        seed: Seed that selects the images; the same seed gives the same split.
        classes: Class names by label, for errors.

    Returns:
        Training and validation images, each in their original order.

    Raises:
        InputError: There are fewer images than ``train_images``, or too few to have every class in both parts.
    """
    if recipe.train_images is not None and recipe.train_images > len(images):
        raise InputError(
            f"train_images {recipe.train_images}: must be at most {len(images)}, the number of training images"
        )
    spare = len(images) - (recipe.train_images or len(images))
    if 0 < spare < (present := len(np.unique(images.labels))):
        raise InputError(
            f"train_images {recipe.train_images}: must be at most {len(images) - present}, or {len(images)} for all: "
            "every class leaves an image out, or none does"
        )
    chosen = np.arange(len(images))
    given = f"val_fraction {recipe.val_fraction:g}"
    if recipe.train_images is not None and recipe.train_images != len(images):
        given = f"train_images {recipe.train_images}, {given}"
        _, chosen = _divide(images, chosen, recipe.train_images, seed, given, classes)
    train, validation = _divide(images, chosen, round(len(chosen) * recipe.val_fraction), seed, given, classes)
    return _parts(images, train, validation, given, classes)


def _parts(images: Images, train: Indices, other: Indices, given: str, classes: Sequence[str]) -> tuple[Images, Images]:
    """Return both parts of a split as images, after checking that each has every class."""
    for part in (train, other):
        for label in np.setdiff1d(images.labels, images.labels[part]):
            raise InputError(
                f"{given}: {_named(label, classes)} has too few images for one among the {len(part)} of a part; "
                "expected more images of it, or a more even division"
            )
    return images.subset(train), images.subset(other)


def _divide(
    images: Images, indices: Indices, size: int, seed: int, given: str, classes: Sequence[str]
) -> tuple[Indices, Indices]:
    """Return the remaining indices and ``size`` stratified ones, both sorted."""
    from sklearn.model_selection import train_test_split  # takes seconds to import, and workers do not split

    labels = images.labels[indices]
    present = np.unique(images.labels)
    counts = np.bincount(labels, minlength=present[-1] + 1)
    rarest = min(present, key=lambda label: counts[label])
    if counts[rarest] < 2:
        raise InputError(
            f"{given}: {_named(rarest, classes)} has {counts[rarest]} of {len(indices)} images; "
            "expected at least 2 of each class"
        )
    if min(size, len(indices) - size) < len(present):
        raise InputError(
            f"{given}: {len(indices)} images would be divided into {len(indices) - size} and {size}; "
            f"expected at least {len(present)} in each part, one for each class"
        )
    rest, taken = train_test_split(indices, test_size=size, stratify=labels, random_state=seed)
    return np.sort(rest), np.sort(taken)


def _named(label: int, classes: Sequence[str]) -> str:
    return f"class {classes[label]!r}" if classes else f"class number {label}"
