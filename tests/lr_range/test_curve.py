"""A range test's curve: smoothed, reduced over its seeds, stored."""

import json
import math
from collections.abc import Callable

import numpy as np
import pytest

from tune_s11.lr_range.curve import Floats, LRCurve, smooth


def test_smoothing_is_a_bias_corrected_average() -> None:
    assert smooth(np.full(5, 3.0)) == pytest.approx(np.full(5, 3.0))
    assert smooth(np.array([1.0, 2.0]))[1] == pytest.approx((0.09 * 1 + 0.1 * 2) / 0.19)
    assert np.isinf(smooth(np.array([1.0, math.inf, 1.0]))).tolist() == [False, True, True]


def test_the_loss_is_the_median_of_smoothed_ramps(lrs: Floats) -> None:
    losses = np.random.default_rng(0).normal(2, 0.5, (3, 101))
    curve = LRCurve(lrs, losses)
    assert np.array_equal(curve.smoothed, np.stack([smooth(ramp) for ramp in losses]))
    assert np.array_equal(curve.loss, np.median(curve.smoothed, axis=0))


def test_median_over_seeds_ends_where_most_ramps_end(lrs: Floats) -> None:
    losses = np.full((3, 101), 2.0)
    losses[0, 50:] = losses[1, 80:] = math.inf
    curve = LRCurve(lrs, losses)
    assert np.flatnonzero(np.isinf(curve.loss))[0] == 80
    rates, loss = curve.finite()
    assert np.array_equal(rates, lrs[:80])
    assert loss == pytest.approx(np.full(80, 2.0))


def test_a_curve_without_an_end_is_finite_throughout(lrs: Floats, noisy: Callable[[int, int], LRCurve]) -> None:
    curve = noisy(0, 101)
    rates, loss = curve.finite()
    assert np.array_equal(rates, lrs)
    assert np.array_equal(loss, curve.loss)


def test_round_trip(lrs: Floats) -> None:
    losses = np.array([[1.0, 2.0, math.inf], [1.5, 0.25, 3.0]])
    again = LRCurve.from_dict(json.loads(json.dumps(LRCurve(lrs[:3], losses).to_dict())))
    assert np.array_equal(again.losses, losses)
    assert np.array_equal(again.lrs, lrs[:3])
