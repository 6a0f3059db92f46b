import math

import numpy as np

from benchmarks.race.candidates import FALLBACK
from benchmarks.race.log import Log, candidates_of, ship_of
from benchmarks.race.measures import epochs_until_close
from benchmarks.race.problems import defaults

RATES = {"params": {"max_lr": 0.3}, "after": 2}


def trial(*ema: float, diverged: bool = False) -> dict[str, object]:
    return {"params": {"max_lr": 0.1}, "ema": list(ema), "diverged": diverged}


def test_candidates_end_with_the_rates_and_the_defaults() -> None:
    log = Log([trial(0.1, 0.2), trial(0.3)], [[0, 1], [0, 2], [1, 1]], RATES)
    found = candidates_of(log, 2, {1: 0.6, 2: 0.7, FALLBACK: 0.5}, (0.9, 0.4))
    assert found.configs[2:] == [{"max_lr": 0.3}, defaults()]
    assert found.n == 3
    assert found.epochs_run.tolist() == [2, 1, 0, 0]
    assert found.signals["ema"][:2].tolist() == [[0.1, 0.2], [0.3, 0.0]]
    assert math.isnan(found.quality[0])
    assert found.quality[1:].tolist() == [0.6, 0.7, 0.5]


def test_what_is_shipped_follows_the_search() -> None:
    log = Log(
        [trial(0.2, 0.0, diverged=True), trial(0.3, 0.4), trial(0.5, 0.45)],
        [[-1, 0], [-1, 0], [0, 1], [0, 2], [1, 1], [2, 1], [1, 2], [2, 2]],
        RATES,
    )
    shipped = ship_of(log, candidates_of(log, 2), 10)
    rates = 3
    # Defaults, at the test's rates, a partial trial, rates again once it diverged, partial trials, complete ones.
    assert shipped.tolist() == [FALLBACK, FALLBACK, rates, 0, rates, 1, 2, 1, 2, 2, 2]


def test_without_a_range_test_the_defaults_are_shipped_until_a_trial_is_trained() -> None:
    log = Log([trial(0.3, 0.4)], [[-1, 0], [0, 1], [0, 2]])
    assert ship_of(log, candidates_of(log, 2), 4).tolist() == [FALLBACK, FALLBACK, 0, 0, 0]


def test_nothing_trained_ships_the_defaults() -> None:
    log = Log(refused="range test: the loss did not fall")
    assert ship_of(log, candidates_of(log, 2), 4).tolist() == [FALLBACK] * 5


def test_untrained_rates_reach_no_target() -> None:
    log = Log([trial(0.3, 0.4)], [[-1, 0], [-1, 0], [0, 1], [0, 2]], RATES)
    found = candidates_of(log, 2, {0: 0.9, 1: 0.9, FALLBACK: 0.9}, (0.9, 0.4))
    shipped = ship_of(log, found, 4)
    assert shipped.tolist() == [FALLBACK, FALLBACK, 1, 0, 0]
    assert epochs_until_close(shipped, found) == 3
    assert epochs_until_close(np.array([FALLBACK, 1]), found) == math.inf
