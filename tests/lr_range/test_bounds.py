"""Bounds read off a curve."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_s11.config import InputError
from tune_s11.lr_range.bounds import MARGIN, LRBounds, find_bounds
from tune_s11.lr_range.curve import Floats, LRCurve
from tune_s11.lr_range.suggestions import begins_to_fall


@given(st.integers(0, 2**32 - 1), st.integers(12, 101))
def test_bounds_stay_on_the_curve(lrs: Floats, noisy: Callable[[int, int], LRCurve], seed: int, end: int) -> None:
    measured = noisy(seed, end)
    bounds = find_bounds(measured)
    assert 0 < bounds.low < bounds.suggestion < bounds.high < lrs[end - 1]
    assert math.log10(bounds.high / bounds.low) < 1.5
    assert bounds.high / bounds.suggestion == pytest.approx(bounds.suggestion / bounds.low)
    assert bounds.min_lr == begins_to_fall(measured) <= lrs[end - 1]
    assert bounds.reasons.keys() == {"low", "high", "suggestion", "min_lr"}
    assert ("without diverging" in bounds.reasons["high"]) == (end == 101)


def test_a_climb_that_heals_does_not_count(lrs: Floats) -> None:
    losses = np.concatenate(
        [np.linspace(3, 2, 50), np.linspace(5, 3, 10), np.linspace(2.4, 2.2, 31), np.full(10, math.inf)]
    )
    healing = LRCurve(lrs, losses[None])
    assert find_bounds(healing).high == pytest.approx(lrs[90] / MARGIN)


def test_a_flat_curve_says_nothing(curve: Callable[[Floats], LRCurve]) -> None:
    with pytest.raises(InputError, match="--lr-bounds LOW HIGH"):
        find_bounds(curve(np.full(101, 2.3)))


@pytest.mark.parametrize(("min_lr", "fraction"), [(0.02, 0.1), (0.2, 1.0), (0.3, 1.0)])
def test_the_first_trial_has_the_suggestion_and_a_share_of_it(min_lr: float, fraction: float) -> None:
    first = LRBounds(0.05, 0.8, 0.2, min_lr, {}).first
    assert first == {"max_lr": 0.2, "min_lr_fraction": pytest.approx(fraction)}
