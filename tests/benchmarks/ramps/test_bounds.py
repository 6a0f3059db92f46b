"""Bounds read off ramps."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.ramps.bounds import MARGIN, find_bounds
from tune_s11.config import InputError
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.suggestions import begins_to_fall

LRS = np.geomspace(1e-4, 10, 101)


@given(st.integers(0, 2**32 - 1), st.integers(12, 101))
def test_bounds_stay_on_the_curve(seed: int, end: int) -> None:
    losses = np.full((2, 101), np.inf)
    losses[:, :end] = np.linspace(3, 1, end) + np.random.default_rng(seed).normal(0, 0.1, (2, end))
    measured = LRCurve(LRS, losses)
    bounds = find_bounds(measured)
    assert 0 < bounds.low < bounds.suggestion < bounds.high < LRS[end - 1]
    assert math.log10(bounds.high / bounds.low) < 1.5
    assert bounds.high / bounds.suggestion == pytest.approx(bounds.suggestion / bounds.low)
    assert bounds.min_lr == begins_to_fall(measured) <= LRS[end - 1]
    assert bounds.reasons.keys() == {"low", "high", "suggestion", "min_lr"}
    assert ("without diverging" in bounds.reasons["high"]) == (end == 101)


def test_a_climb_that_heals_does_not_count() -> None:
    losses = np.concatenate(
        [np.linspace(3, 2, 50), np.linspace(5, 3, 10), np.linspace(2.4, 2.2, 31), np.full(10, math.inf)]
    )
    healing = LRCurve(LRS, losses[None])
    assert find_bounds(healing).high == pytest.approx(LRS[90] / MARGIN)


def test_a_flat_curve_says_nothing() -> None:
    with pytest.raises(InputError, match="--lr-bounds LOW HIGH"):
        find_bounds(LRCurve(LRS, np.full((1, 101), 2.3)))
