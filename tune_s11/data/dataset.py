"""Labelled images in memory, with their channel statistics and a fingerprint."""

import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int64]
Channels = tuple[float, float, float]
"""One number for each of red, green and blue."""


@dataclass(frozen=True, eq=False)
class Images:
    """RGB images of one size, with their classes."""

    pixels: Pixels
    """Pixels, (N, H, W, 3)."""
    labels: Labels
    """Classes, (N,), as indices into the class names."""

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Indices) -> "Images":
        """Return a copy of the images at ``indices``, (M,), in that order."""
        return Images(self.pixels[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test images of the same classes."""

    classes: tuple[str, ...]
    """Class names, by label."""
    train: Images
    """Training images, validation images included."""
    test: Images
    notes: tuple[str, ...] = ()
    """Remarks for the user on how the images were read, one line each."""

    @property
    def mean(self) -> Channels:
        """Mean of each channel over all training images, where black is 0 and full intensity 1."""
        return self._statistics[0]

    @property
    def std(self) -> Channels:
        """Standard deviation of each channel on the same scale; 1 for a constant channel, to be safe as a divisor."""
        return self._statistics[1]

    @cached_property
    def _statistics(self) -> tuple[Channels, Channels]:
        # Counting the 256 values is exact, and chunks avoid a copy of all images as floats.
        pixels, counts = self.train.pixels, np.zeros((3, 256), np.int64)
        for start in range(0, len(pixels), 1024):
            chunk = pixels[start : start + 1024]
            for channel in range(3):
                counts[channel] += np.bincount(chunk[..., channel].ravel(), minlength=256)
        values, total = np.arange(256), pixels[..., 0].size
        sums = [(int(count @ values), int(count @ values**2)) for count in counts]
        red, green, blue = (
            (first / total / 255, math.sqrt(total * second - first**2) / total / 255 or 1.0) for first, second in sums
        )
        return (red[0], green[0], blue[0]), (red[1], green[1], blue[1])

    @cached_property
    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of a SHA-256 over all pixels, labels and class names."""
        digest = hashlib.sha256(json.dumps(self.classes).encode())
        for images in (self.train, self.test):
            digest.update(repr(images.pixels.shape).encode())
            digest.update(np.ascontiguousarray(images.pixels).data)
            digest.update(np.ascontiguousarray(images.labels, "<i8").data)
        return digest.hexdigest()[:16]
