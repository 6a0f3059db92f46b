"""Crop, flip and cutout: against a plain reference image by image, and against the Albumentations specification."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare
from torch import Tensor

from tests.data.augmenting import HOLE, MEAN, PAD, SIZE, STD, random_pixels, refuse, seeded
from tune_s11.config import PadMode, Recipe
from tune_s11.data import BatchedAugmentation, build_augmentation, normalise

IMAGES, BATCH = 6000, 500
PAD_MODES: tuple[PadMode, ...] = ("reflect", "zero")
NUMPY_MODES: dict[PadMode, Any] = {"reflect": "reflect", "zero": "constant"}


# --- the batched augmentation, exactly


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_batched_does_to_each_image_what_was_drawn(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    shorter = min(height, width)
    pad, cutout = data.draw(st.integers(0, shorter - 1)), data.draw(st.integers(0, shorter))
    flip, pad_mode = data.draw(st.booleans()), data.draw(st.sampled_from(PAD_MODES))
    augment = BatchedAugmentation(MEAN, STD, pad=pad, flip=flip, cutout=cutout, pad_mode=pad_mode)
    pixels = random_pixels(data.draw(st.integers(1, 5)), height, width, 3, seed=data.draw(st.integers(0, 99)))
    seed = data.draw(st.integers(0, 2**62))

    untouched = pixels.clone()
    images = augment(pixels, seeded(seed))
    draws = augment.draw(pixels, seeded(seed))
    expected = torch.stack([reference(image, draws, i, pad, cutout, pad_mode) for i, image in enumerate(pixels)])
    assert torch.equal(images, expected)
    assert torch.equal(pixels, untouched)
    assert images.is_contiguous(memory_format=torch.channels_last)
    for drawn, below in zip(draws, (2 * pad + 1, 2 * pad + 1, 2, height - cutout + 1, width - cutout + 1), strict=True):
        assert ((drawn >= 0) & (drawn < below)).all()


def reference(image: Tensor, draws: tuple[Tensor, ...], index: int, pad: int, cutout: int, pad_mode: PadMode) -> Tensor:
    top, left, flipped, hole_top, hole_left = (int(drawn[index]) for drawn in draws)
    height, width, _ = image.shape
    padded = np.pad(image.numpy(), ((pad, pad), (pad, pad), (0, 0)), mode=NUMPY_MODES[pad_mode])
    cropped = padded[top : top + height, left : left + width]
    if flipped:
        cropped = cropped[:, ::-1]
    out = normalise(torch.from_numpy(cropped.copy())[None], MEAN, STD)[0]
    out[:, hole_top : hole_top + cutout, hole_left : hole_left + cutout] = 0
    return out


def test_nothing_asked_for_is_mere_normalisation() -> None:
    pixels = random_pixels(4, 8, 8, 3)
    augment = BatchedAugmentation(MEAN, STD, pad=0, flip=False, cutout=0)
    assert torch.equal(augment(pixels, seeded(0)), normalise(pixels, MEAN, STD))


# --- both against the recipe, statistically


class Found:
    """What was done to each image, read back from pixels that spell their own coordinates, from 1; (N,) each."""

    def __init__(self, images: Tensor, pad_mode: PadMode) -> None:
        restored = images.permute(0, 2, 3, 1).numpy() * np.array(STD) + np.array(MEAN)
        self.values = restored * 255
        row, column, ink = np.moveaxis(self.values, -1, 0)
        self.hole = abs(ink - 255 * MEAN[2]) < 1  # elsewhere blue is full, or none in black padding
        row, column = (np.where(self.hole, -1, np.rint(channel)).astype(int) for channel in (row, column))
        rows, columns = row.max(axis=2), column.max(axis=1)  # a hole spans no whole row or column

        natural = np.pad(np.arange(SIZE) + 1, PAD, mode=NUMPY_MODES[pad_mode])
        crops = np.stack([natural[offset : offset + SIZE] for offset in range(2 * PAD + 1)])
        self.top = position(rows, crops)
        seen = position(columns, np.concatenate([crops, crops[:, ::-1]]))
        self.left, self.flipped = seen % (2 * PAD + 1), seen // (2 * PAD + 1)
        in_rows, in_columns = self.hole.any(axis=2), self.hole.any(axis=1)
        self.hole_top, self.hole_left = in_rows.argmax(axis=1), in_columns.argmax(axis=1)


def position(lines: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Index of the one candidate that each line equals."""
    equal = (lines[:, None] == candidates[None]).all(axis=2)
    assert (equal.sum(axis=1) == 1).all()
    return equal.argmax(axis=1)


@cache
def found(name: str, pad_mode: PadMode) -> Found:
    index = np.arange(SIZE, dtype=np.uint8) + 1
    image = np.stack([*np.meshgrid(index, index, indexing="ij"), np.full((SIZE, SIZE), 255, np.uint8)], axis=-1)
    augment = build_augmentation(Recipe(augmentation=name, pad_mode=pad_mode), MEAN, STD)
    generator = seeded(11)
    batch = torch.from_numpy(np.broadcast_to(image, (BATCH, *image.shape)).copy())
    return Found(torch.cat([augment(batch, generator) for _ in range(IMAGES // BATCH)]), pad_mode)


@pytest.fixture(params=[(name, mode) for name in ("batched", "albumentations") for mode in PAD_MODES], ids=", ".join)
def augmented(request: pytest.FixtureRequest) -> Found:
    return found(*request.param)


def histogram(*columns: tuple[np.ndarray, int]) -> np.ndarray:
    """Counts over the joint values of (values, number of possible values) pairs, flat."""
    joint = np.ravel_multi_index([values for values, _ in columns], [size for _, size in columns])
    return np.bincount(joint, minlength=int(np.prod([size for _, size in columns])))


OFFSETS, HOLES = 2 * PAD + 1, SIZE - HOLE + 1
JOINTLY: dict[str, Callable[[Found], np.ndarray]] = {
    "offset": lambda f: histogram((f.top, OFFSETS), (f.left, OFFSETS)),
    "flip": lambda f: histogram((f.flipped, 2)),
    "hole": lambda f: histogram((f.hole_top, HOLES), (f.hole_left, HOLES)),
    # pairs that must not hang together, in an image and from one to the next
    "left, flip": lambda f: histogram((f.left, OFFSETS), (f.flipped, 2)),
    "top, hole": lambda f: histogram((f.top, OFFSETS), (f.hole_top, HOLES)),
    "flip, hole": lambda f: histogram((f.flipped, 2), (f.hole_left, HOLES)),
    "flip, next flip": lambda f: histogram((f.flipped[:-1], 2), (f.flipped[1:], 2)),
    "top, next flip": lambda f: histogram((f.top[:-1], OFFSETS), (f.flipped[1:], 2)),
}


@pytest.mark.parametrize("what", JOINTLY)
def test_draws_are_uniform_and_independent(augmented: Found, what: str) -> None:
    assert chisquare(JOINTLY[what](augmented)).pvalue > 1e-3


def test_crops_and_flips_do_not_follow_from_the_same_numbers() -> None:
    # A crop takes two random numbers an image, a flip one. Were both seeded alike, number 2 i
    # of a batch would be the row of crop i and decide on flip 2 i.
    augmented = found("albumentations", "reflect")
    top, flipped = (drawn.reshape(-1, BATCH) for drawn in (augmented.top, augmented.flipped))
    number = np.arange(BATCH // 2)
    pairs = histogram((top[:, number].ravel(), OFFSETS), (flipped[:, 2 * number].ravel(), 2))
    assert chisquare(pairs).pvalue > 1e-3


@pytest.mark.parametrize("pad_mode", PAD_MODES)
@pytest.mark.parametrize("what", ["offset", "flip", "hole"])
def test_both_draw_from_the_same_distribution(what: str, pad_mode: PadMode) -> None:
    counts = [JOINTLY[what](found(name, pad_mode)) for name in ("batched", "albumentations")]
    assert chi2_contingency(np.stack(counts)).pvalue > 1e-3


def test_each_image_has_one_whole_hole_of_mean_colour(augmented: Found) -> None:
    index = np.arange(SIZE)
    in_rows, in_columns = (
        (index >= start[:, None]) & (index < start[:, None] + HOLE)
        for start in (augmented.hole_top, augmented.hole_left)
    )
    np.testing.assert_array_equal(augmented.hole, in_rows[:, :, None] & in_columns[:, None, :])
    np.testing.assert_allclose(augmented.values[augmented.hole] / 255, np.tile(MEAN, (IMAGES * 64, 1)), atol=1 / 255)


@pytest.mark.parametrize("name", ["batched", "albumentations"])
def test_the_generator_alone_decides(name: str) -> None:
    pixels = random_pixels(16, SIZE, SIZE, 3)
    augment = build_augmentation(Recipe(augmentation=name), MEAN, STD)
    generator = seeded(5)
    first, second = augment(pixels, generator), augment(pixels, generator)
    torch.manual_seed(99)
    np.random.seed(99)
    assert torch.equal(augment(pixels, seeded(5)), first)
    assert not torch.equal(first, second)
    assert len({image.numpy().tobytes() for image in augment(pixels[:1].expand(16, -1, -1, -1), seeded(1))}) > 12
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert first.dtype == torch.float32


@pytest.mark.parametrize("name", ["batched", "albumentations"])
def test_parts_of_the_recipe_can_be_left_out(name: str) -> None:
    pixels = random_pixels(4, 16, 16, 3)
    recipe = Recipe(augmentation=name, image_size=16, pad=0, flip=False, cutout=0)
    assert torch.equal(build_augmentation(recipe, MEAN, STD)(pixels, seeded(0)), normalise(pixels, MEAN, STD))


# --- names


@pytest.mark.parametrize("name", ["bached", "", "/no/such/file.json", "two\nlines", "."])
def test_unknown_names_are_refused(name: str) -> None:
    refuse(name, f"augmentation {name!r}: expected batched, albumentations, or the path")


def test_slow_imports_wait_until_they_are_needed() -> None:
    code = "import sys, tune_s11.data; print({'albumentations', 'sklearn', 'torchvision'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
