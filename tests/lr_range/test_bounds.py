"""Bounds for LRMAX from cycles, and a first LRMIN from ramps."""

from collections.abc import Callable

import numpy as np
import pytest
from made_up_networks import Network, question

from tune_s11.lr_range.bounds import LRBounds, bounds_of, falls
from tune_s11.lr_range.curve import Floats, LRCurve
from tune_s11.lr_range.rule import recommend
from tune_s11.lr_range.suggestions import begins_to_fall

ANSWER = recommend(question(), Network(0.1).train)


def test_lrmax_is_the_cycles_and_lrmin_the_ramps(valley: LRCurve) -> None:
    bounds = bounds_of(ANSWER, valley)
    assert (bounds.low, bounds.suggestion, bounds.high) == (ANSWER.low, ANSWER.first, ANSWER.high)
    assert bounds.min_lr == begins_to_fall(valley)
    assert bounds.reasons.keys() == {"low", "high", "suggestion", "min_lr"}
    assert not bounds.unsure
    assert bounds_of(recommend(question(), Network(0.1, slow=99).train), valley).unsure


def test_ramps_that_say_nothing_leave_lrmin_a_share(curve: Callable[[Floats], LRCurve], lrs: Floats) -> None:
    flat, short = (
        curve(np.full(101, 2.3)),
        LRCurve(lrs, np.where(np.arange(101) < 8, 3.0 - 0.1 * np.arange(101), np.inf)[None]),
    )
    for each in (flat, short):
        assert not falls(each)
        bounds = bounds_of(ANSWER, each)
        assert bounds.min_lr == pytest.approx(0.01 * ANSWER.first)
        assert "never fell" in bounds.reasons["min_lr"]


@pytest.mark.parametrize(("min_lr", "fraction"), [(0.02, 0.1), (0.2, 1.0), (0.3, 1.0)])
def test_the_first_trial_has_the_suggestion_and_a_share_of_it(min_lr: float, fraction: float) -> None:
    first = LRBounds(0.05, 0.8, 0.2, min_lr, {}).first
    assert first == {"max_lr": 0.2, "min_lr_fraction": pytest.approx(fraction)}
