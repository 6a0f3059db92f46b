"""Pixels as the network sees them."""

import numpy as np
import torch

from tests.data.augmenting import MEAN, STD, random_pixels
from tune_s11.data import normalise


def test_normalise_is_the_textbook_formula_in_channels_last() -> None:
    pixels = random_pixels(5, 8, 6, 3)
    images = normalise(pixels, MEAN, STD)
    expected = (pixels.numpy() / 255 - MEAN) / STD
    np.testing.assert_allclose(images.numpy(), expected.transpose(0, 3, 1, 2), atol=2e-6)
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_normalise_serves_training_after_it_served_inference() -> None:
    pixels = random_pixels(2, 4, 4, 3)
    mean = (0.1, 0.2, 0.3)  # no other test's, so that this test makes the first call
    with torch.inference_mode():
        before = normalise(pixels, mean, STD)
    weight = torch.ones(3, 3, 1, 1, requires_grad=True)
    images = normalise(pixels, mean, STD)
    torch.nn.functional.conv2d(images, weight).sum().backward()
    assert weight.grad is not None
    assert torch.equal(before, images)
