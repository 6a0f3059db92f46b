"""The stratified split."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tune_s11.config import InputError, Recipe
from tune_s11.data import Images, split


def numbered(labels: np.ndarray) -> Images:
    """Images whose first two channels spell their own index."""
    index = np.arange(len(labels))
    pixels = np.stack([index % 256, index // 256, index * 0], axis=-1).astype(np.uint8)
    return Images(pixels[:, None, None], np.asarray(labels, np.int64))


def indices(images: Images) -> np.ndarray:
    pixels = images.pixels[:, 0, 0].astype(int)
    return pixels[:, 0] + 256 * pixels[:, 1]


@st.composite
def divisible(draw: st.DrawFn) -> tuple[np.ndarray, Recipe]:
    """Labels in any order, and a recipe that leaves every class in every part."""
    counts = draw(st.lists(st.integers(8, 60), min_size=2, max_size=6))
    labels = np.random.default_rng(draw(st.integers(0, 999))).permutation(np.repeat(np.arange(len(counts)), counts))
    total, classes = len(labels), len(counts)
    enough = -(-total // 2)  # half keeps at least 3 of the 8 of a class
    taken = draw(st.none() | st.just(total) | st.integers(max(enough, 2 * classes), total - classes))
    size = taken or total
    rarest = min(counts) * taken // total - 1 if taken else min(counts)
    least = max((classes + 0.5) / size, 1.5 / rarest)
    fraction = draw(st.floats(least, 1 - least))
    return labels, Recipe(train_images=taken, val_fraction=fraction)


@settings(max_examples=40, deadline=None)
@given(divisible(), st.integers(0, 2**32 - 1))
def test_split_is_disjoint_complete_stratified_and_fixed_by_the_seed(case: tuple, seed: int) -> None:
    labels, recipe = case
    images = numbered(labels)
    train, validation = split(images, recipe, seed)

    used = recipe.train_images or len(labels)
    assert len(train) + len(validation) == used
    assert len(validation) == round(used * recipe.val_fraction)
    both = np.concatenate([indices(train), indices(validation)])
    assert len(np.unique(both)) == used
    for part in (train, validation):
        np.testing.assert_array_equal(part.labels, labels[indices(part)])
        assert (np.diff(indices(part)) > 0).all()
    within_one_of_shares(labels, labels[both])
    within_one_of_shares(labels[both], validation.labels)
    within_one_of_shares(labels[both], train.labels)

    for again, part in zip(split(images, recipe, seed), (train, validation), strict=True):
        np.testing.assert_array_equal(indices(again), indices(part))


def within_one_of_shares(whole: np.ndarray, part: np.ndarray) -> None:
    shares = np.bincount(whole) * (len(part) / len(whole))
    assert (abs(np.bincount(part, minlength=len(shares)) - shares) <= 1).all()


def test_another_seed_gives_another_split() -> None:
    images = numbered(np.arange(200) % 4)
    first, second = (indices(split(images, Recipe(), seed)[1]) for seed in (0, 1))
    assert set(first) != set(second)


def test_cifar10_sized_split_is_exact() -> None:
    images = numbered(np.arange(50_000) % 10)
    train, validation = split(images, Recipe(), 7)
    assert (np.bincount(train.labels) == 4500).all()
    assert (np.bincount(validation.labels) == 500).all()


def test_one_validation_image_a_class_is_enough() -> None:
    _, validation = split(numbered(np.repeat(np.arange(3), 10)), Recipe(val_fraction=0.1), 0)
    assert validation.labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("counts", "fields", "problem"),
    [
        ((20, 1), {}, "val_fraction 0.1: class number 1 has 1 of 21 images; expected at least 2 of each class"),
        ((500, 5), {"train_images": 100}, "train_images 100, val_fraction 0.1: class number 1 has 1 of 100 images"),
        (
            (10, 10),
            {"val_fraction": 0.05},
            "20 images would be divided into 19 and 1; expected at least 2 in each part",
        ),
        (
            (10, 10),
            {"val_fraction": 0.95},
            "20 images would be divided into 1 and 19; expected at least 2 in each part",
        ),
        ((10, 10), {"train_images": 19}, "train_images 19: must be at most 18, or 20 for all: every class leaves"),
        ((10, 10), {"train_images": 21}, "train_images 21: must be at most 20, the number of training images"),
        (
            (100, 2),
            {},
            "val_fraction 0.1: class number 1 has too few images for one among the 10 of a part; expected more images",
        ),
        ((10, 10), {"train_images": 1}, "20 images would be divided into 19 and 1; expected at least 2 in each part"),
    ],
)
def test_too_few_images_to_stratify(counts: tuple[int, ...], fields: dict, problem: str) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    with pytest.raises(InputError) as raised:
        split(numbered(labels), Recipe(**fields), 0)
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)
