"""Known rules for a learning rate, on curves whose answers are known."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_s11.lr_range.curve import Floats, LRCurve
from tune_s11.lr_range.suggestions import SUGGESTIONS, begins_to_fall


def test_suggestions_computed_manually(lrs: Floats, valley: LRCurve, curve: Callable[[Floats], LRCurve]) -> None:
    assert SUGGESTIONS["minimum/10"](valley) == pytest.approx(0.01)
    assert SUGGESTIONS["steepest"](valley) == pytest.approx(10 ** (-1 - math.sqrt(0.5)), rel=0.15)
    # The loss falls over the first 61 points: a third is 20, half of that again 10, from the step before the first.
    assert SUGGESTIONS["valley"](valley) == pytest.approx(lrs[29])
    line = curve(np.linspace(5, 4.9, 101))  # slopes agree at once
    assert SUGGESTIONS["slide"](line) == pytest.approx(lrs[85])


def test_suggestions_on_curves_with_gaps_computed_manually(curve: Callable[[Floats], LRCurve], lrs: Floats) -> None:
    # 5, 4, 3, 2, 1 fall, one in twenty steps: the last is step 80, so the middle is sought from step 75 on.
    losses = np.full(101, 9.0)
    losses[0:100:20] = [5, 4, 3, 2, 1]
    assert SUGGESTIONS["valley"](curve(losses)) == pytest.approx(lrs[76])
    rising = curve(np.linspace(1, 2, 101))
    assert SUGGESTIONS["valley"](rising) == pytest.approx(lrs[0])
    # The slope is 0 up to step 89, and 0.5 at step 90: the last window of 15 steps with two slopes begins at step 75.
    assert SUGGESTIONS["slide"](curve(np.maximum(0, np.arange(101) - 90.0))) == pytest.approx(lrs[75])


def test_the_loss_begins_to_fall_a_twentieth_of_its_way_down(lrs: Floats, curve: Callable[[Floats], LRCurve]) -> None:
    falling = curve(np.concatenate([np.full(20, 3.0), np.linspace(3, 1, 31), np.linspace(1, 2, 50)]))
    assert begins_to_fall(falling) == pytest.approx(lrs[22])  # 2.9 lies between one and two steps of 1/15 below 3


@given(st.integers(0, 2**32 - 1), st.integers(12, 101))
def test_suggestions_stay_on_the_curve(lrs: Floats, noisy: Callable[[int, int], LRCurve], seed: int, end: int) -> None:
    measured = noisy(seed, end)
    assert SUGGESTIONS.keys() == {"steepest", "valley", "minimum/10", "slide"}
    for name, rule in SUGGESTIONS.items():
        assert lrs[0] / 10 <= rule(measured) <= lrs[end - 1], name
    assert lrs[0] <= begins_to_fall(measured) <= lrs[end - 1]
