"""Curves made up for the tests."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from tune_s11.lr_range.curve import LRCurve

Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="session")
def lrs() -> Floats:
    return np.geomspace(1e-4, 10, 101)


@pytest.fixture(scope="session")
def curve(lrs: Floats) -> Callable[[Floats], LRCurve]:
    """Makes a curve that smoothing leaves as it is: the raw losses are those whose average is the argument."""

    def make(losses: Floats) -> LRCurve:
        raw, average = [], 0.0
        for step, wanted in enumerate(losses, start=1):
            target = wanted * (1 - 0.9**step)
            raw.append((target - 0.9 * average) / 0.1)
            average = target
        return LRCurve(lrs, np.array([raw]))

    return make


@pytest.fixture(scope="session")
def valley(lrs: Floats, curve: Callable[[Floats], LRCurve]) -> LRCurve:
    """Its loss is lowest at 0.1, and falls fastest at 10 ** (-1 - sqrt(1 / 2))."""
    return curve(2.5 - 1.5 * np.exp(-((np.log10(lrs) + 1) ** 2)))


@pytest.fixture(scope="session")
def noisy(lrs: Floats) -> Callable[[int, int], LRCurve]:
    """Makes a falling curve of two ramps with noise of a seed, which ends after so many steps."""

    def make(seed: int, end: int) -> LRCurve:
        losses = np.full((2, 101), np.inf)
        losses[:, :end] = np.linspace(3, 1, end) + np.random.default_rng(seed).normal(0, 0.1, (2, end))
        return LRCurve(lrs, losses)

    return make
