"""Noise images in the format of CIFAR-10, and steps on them: the content does not affect the time that a step takes."""

import time
from collections.abc import Iterator

import numpy as np
import torch

from tune_s11.data import Images
from tune_s11.training.trainer import Trainer, TrainingData

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
"""Mean and standard deviation of CIFAR-10's channels."""

FULL = 45_000, 5_000
"""Numbers of training and validation images into which a search divides CIFAR-10's training images."""


def noise(count: int, size: int = 32) -> Images:
    """Return images of uniform noise, of ten classes."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    return Images(pixels, generator.integers(0, 10, count))


def noise_data(train: int, validation: int = 0, size: int = 32) -> TrainingData:
    """Return this many noise images to train and to validate on, for :class:`tune_s11.training.trainer.Trainer`."""
    return TrainingData(noise(train, size), noise(validation, size) if validation else None, 10, MEAN, STD)


def timed_steps(trainer: Trainer) -> Iterator[float]:
    """Train a trainer on a CPU, one step at a time and without end; yield the seconds of each, without augmentation."""
    while True:
        images, labels = next(trainer.batches(0))
        begun = time.perf_counter()
        trainer.step(images, labels, 1e-3)
        trainer.average.update()
        yield time.perf_counter() - begun


def wait(device: torch.device) -> None:
    """Wait until the device has done all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()
