"""What is known of a dataset: its statistics and its fingerprint."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tune_s11.data import Dataset, Images


def dataset(pixels: np.ndarray, classes: tuple[str, ...] = ("a", "b")) -> Dataset:
    images = Images(pixels, np.arange(len(pixels)) % 2)
    return Dataset(classes, images, images)


def test_subset_keeps_pixels_and_labels_together() -> None:
    images = Images(np.arange(5, dtype=np.uint8).repeat(12).reshape(5, 2, 2, 3), np.arange(5) * 10)
    some = images.subset(np.array([4, 1]))
    assert len(some) == 2
    assert some.labels.tolist() == [40, 10]
    assert some.pixels[:, 0, 0, 0].tolist() == [4, 1]


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 5), st.just(3))))
def test_statistics_are_those_of_the_pixels_as_floats(pixels: np.ndarray) -> None:
    found, scaled = dataset(pixels), pixels.reshape(-1, 3) / 255
    np.testing.assert_allclose(found.mean, scaled.mean(axis=0), atol=1e-12)
    expected = np.where((scaled == scaled[0]).all(axis=0), 1, scaled.std(axis=0))
    np.testing.assert_allclose(found.std, expected, atol=1e-9)


def test_statistics_over_several_chunks() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2500, 4, 4, 3), dtype=np.uint8)
    found = dataset(pixels)
    np.testing.assert_allclose(found.mean, pixels.mean(axis=(0, 1, 2)) / 255, atol=1e-12)
    np.testing.assert_allclose(found.std, pixels.std(axis=(0, 1, 2)) / 255, atol=1e-12)


@pytest.mark.parametrize("value", [0, 77, 255])
def test_a_channel_that_never_varies_can_be_divided_by(value: int) -> None:
    assert dataset(np.full((3, 4, 4, 3), value, np.uint8)).std == (1.0, 1.0, 1.0)


def test_fingerprint_depends_on_all_that_matters_and_on_nothing_else() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
    original = dataset(pixels)
    train = original.train
    changed = pixels.copy()
    changed[5, 3, 3, 2] ^= 1
    variants = [
        original,
        dataset(changed),
        dataset(pixels.reshape(6, 8, 2, 3)),
        replace(original, test=Images(changed, train.labels)),
        replace(original, train=Images(pixels, 1 - train.labels)),
        replace(original, classes=("a", "c")),
        replace(original, classes=("a\0b",)),
        replace(original, classes=("a", "\udcff")),  # how Python spells names that are no UTF-8
    ]
    assert len({each.fingerprint for each in variants}) == len(variants)
    assert len(original.fingerprint) == 16
    alike = Images(np.asfortranarray(pixels), train.labels)
    assert replace(original, train=alike, notes=("a remark",)).fingerprint == original.fingerprint
