"""Bounds for max_lr from cycles, and a first min_lr from ramps."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.lr_range.made_up_networks import Network, question
from tune_s11.lr_range.bounds import LRBounds, bounds_of, falls
from tune_s11.lr_range.curve import Floats, LRCurve
from tune_s11.lr_range.rule import recommend
from tune_s11.lr_range.suggestions import begins_to_fall

ANSWER = recommend(question(), Network(0.1).train)


def test_lrmax_is_the_cycles_and_lrmin_the_ramps(valley: LRCurve) -> None:
    bounds = bounds_of(ANSWER, valley, 0.02)
    assert (bounds.low, bounds.suggestion, bounds.high) == (ANSWER.low, ANSWER.first, ANSWER.high)
    assert bounds.min_lr == min(begins_to_fall(valley), 0.01 * ANSWER.first)
    assert bounds.reasons.keys() == {"low", "high", "suggestion", "min_lr"}
    assert not bounds.unsure
    assert bounds_of(recommend(question(), Network(0.1, slow=99).train), valley, 0.02).unsure


def test_ramps_that_say_nothing_leave_lrmin_a_share(curve: Callable[[Floats], LRCurve], lrs: Floats) -> None:
    flat, short = (
        curve(np.full(101, 2.3)),
        LRCurve(lrs, np.where(np.arange(101) < 8, 3.0 - 0.1 * np.arange(101), np.inf)[None]),
    )
    for each in (flat, short):
        assert not falls(each)
        bounds = bounds_of(ANSWER, each, 0.01)
        assert bounds.min_lr == pytest.approx(0.01 * ANSWER.first)
        assert "never fell" in bounds.reasons["min_lr"]


def test_ramps_that_fall_late_suggest_at_most_a_hundredth_of_lrmax(curve: Callable[[Floats], LRCurve]) -> None:
    late = curve(np.where(np.arange(101) < 95, 2.3, 1.0))
    assert begins_to_fall(late) > ANSWER.first
    assert bounds_of(ANSWER, late, 0.01).min_lr == pytest.approx(0.01 * ANSWER.first)


def test_without_ramps_lrmin_is_the_recipes_share() -> None:
    bounds = bounds_of(ANSWER, None, 0.02)
    assert bounds.min_lr == pytest.approx(0.02 * ANSWER.first)
    assert bounds.first["min_lr_fraction"] == pytest.approx(0.02)
    assert bounds.reasons["min_lr"] == "0.02 of max_lr, as in the recipe"
    assert bounds.decades == pytest.approx(np.log10(ANSWER.high / ANSWER.low))


@pytest.mark.parametrize(("min_lr", "fraction"), [(0.02, 0.1), (0.2, 1.0), (0.3, 1.0)])
def test_the_first_trial_has_the_suggestion_and_a_share_of_it(min_lr: float, fraction: float) -> None:
    first = LRBounds(0.05, 0.8, 0.2, min_lr, {}).first
    assert first == {"max_lr": 0.2, "min_lr_fraction": pytest.approx(fraction)}


def test_bounds_follow_the_square_root_of_1_less_momentum() -> None:
    bounds = LRBounds(0.1, 1.0, 0.3, 0.001, {}, momentum=0.9)
    assert bounds.scale(0.9) == 1.0
    assert bounds.scale(0.6) == pytest.approx(2.0)
    assert bounds.scale(0.975) == pytest.approx(0.5)
    assert bounds.scale(0.0) == pytest.approx(10**0.5)
    assert bounds.comparable(2.0, 0.6) == pytest.approx(1.0)
    assert LRBounds(0.1, 1.0, 0.3, 0.001, {}).scale(0.0) == 1.0
