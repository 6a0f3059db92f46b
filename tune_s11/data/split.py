"""Training images divided into those to learn from and those to choose by, and test images held out of them before."""

import numpy as np

from tune_s11.config import InputError, Recipe
from tune_s11.data.dataset import Images, Indices

TEST_FRACTION = 0.2
"""Share of the images held out as test images, where there are no others and the recipe names no share."""

_TEST_SEED = 0
"""Which images those are is the same for every search, whatever its own seed: an image that one search has learned from
tests no other one, and searches can be compared."""


def hold_out_test(images: Images, fraction: float | None) -> tuple[Images, Images, str]:
    """Divides images into training and test images, before anything is chosen; each class keeps its share in both.

    Args:
        images: All images there are.
        fraction: Share of the test images; None: :data:`TEST_FRACTION`.

    Returns:
        Training and test images, each in the order that they had, and a note on it for the user.

    Raises:
        InputError: They are too few to have every class in both parts.
    """
    fraction = TEST_FRACTION if fraction is None else fraction
    size = round(len(images) * fraction)
    train, test = _divide(images, np.arange(len(images)), size, _TEST_SEED, f"test_fraction {fraction:g}")
    share = f"{size:,} of {len(images):,} images are held out as such"
    note = f"no test images by class: {share} (test_fraction {fraction:g})"
    return images.subset(train), images.subset(test), note


def split(images: Images, recipe: Recipe, seed: int) -> tuple[Images, Images]:
    """Divides images so that each class keeps its share in both parts.

    Args:
        images: All training images.
        recipe: Its ``train_images`` are taken first, exactly that number and stratified as well;
            of these ``val_fraction`` is held out.
        seed: Decides which images; the same seed gives the same split.

    Returns:
        Training and validation images, each in the order that they had.

    Raises:
        InputError: The images are fewer than ``train_images``, or too few to have every class in both parts.
    """
    if recipe.train_images is not None and recipe.train_images > len(images):
        raise InputError(f"train_images {recipe.train_images}: must be at most {len(images)}, all there are")
    chosen = np.arange(len(images))
    given = f"val_fraction {recipe.val_fraction:g}"
    if recipe.train_images is not None and recipe.train_images != len(images):
        given = f"train_images {recipe.train_images}, {given}"
        _, chosen = _divide(images, chosen, recipe.train_images, seed, given)
    train, validation = _divide(images, chosen, round(len(chosen) * recipe.val_fraction), seed, given)
    return images.subset(train), images.subset(validation)


def _divide(images: Images, indices: Indices, size: int, seed: int, given: str) -> tuple[Indices, Indices]:
    """The remaining indices and ``size`` stratified ones, both sorted."""
    from sklearn.model_selection import train_test_split  # takes seconds, and workers do not split

    labels = images.labels[indices]
    classes = np.unique(images.labels)
    counts = np.bincount(labels, minlength=classes[-1] + 1)
    rarest = min(classes, key=lambda label: counts[label])
    if counts[rarest] < 2:
        raise InputError(
            f"{given}: only {counts[rarest]} of {len(indices)} images shows class {rarest}: needed are 2 of each class"
        )
    if min(size, len(indices) - size) < len(classes):
        raise InputError(
            f"{given}: {len(indices)} images would be divided into {len(indices) - size} and {size}: "
            f"needed are {len(classes)} in each part, as many as there are classes"
        )
    rest, taken = train_test_split(indices, test_size=size, stratify=labels, random_state=seed)
    return np.sort(rest), np.sort(taken)
