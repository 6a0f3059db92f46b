"""The program as it is now begins with the range test by short cycles, counts its epochs and searches in its bounds."""

import pytest

from benchmarks.race.lab import BudgetSpent, Lab
from benchmarks.race.ours_now import measure, search
from benchmarks.race.problems import defaults
from tests.benchmarks.race import tiny_lab


def lab(budget: int = 60) -> Lab:
    return Lab(tiny_lab.inputs(), tiny_lab.hardware(), budget, 0)


def test_the_range_test_counts_and_says_what_to_ship() -> None:
    mine = lab()
    bounds = measure(mine)
    assert mine.spent > 0
    assert mine.log.trials == []
    assert mine.log.rates == {"params": defaults() | {"max_lr": bounds.suggestion}, "after": mine.spent}
    assert bounds.momentum == defaults()["momentum"]


def test_the_first_trial_has_the_rate_that_was_found_and_the_others_lie_in_the_bounds() -> None:
    mine, again = lab(), lab()
    with pytest.raises(BudgetSpent):
        search(mine, defaults_first=False)
    bounds = measure(again)
    assert mine.spent == 60
    first, *others = (trial["params"] for trial in mine.log.trials)
    assert first == pytest.approx(defaults() | bounds.first)
    assert others
    for params in others:
        at_reference = params["max_lr"] / bounds.scale(params["momentum"])
        assert bounds.low <= at_reference * (1 + 1e-9)
        assert at_reference <= bounds.high * (1 + 1e-9)


def test_the_defaults_come_before_the_range_test_if_asked() -> None:
    mine = lab(8)
    with pytest.raises(BudgetSpent):
        search(mine, defaults_first=True)
    assert mine.log.trials[0]["params"] == defaults()
    assert mine.log.events[:4] == [[0, 1], [0, 2], [0, 3], [-1, 0]]
