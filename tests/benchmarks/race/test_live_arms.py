import re
from functools import cache

import numpy as np
import optuna
import pytest

from benchmarks.race import ours
from benchmarks.race.lab import BudgetSpent, Lab
from benchmarks.race.live_arms import LIVE_ARMS
from benchmarks.race.log import Log
from benchmarks.race.problems import FIXED_BOUNDS, SPACE, defaults
from tests.benchmarks.race import tiny_lab
from tune_s11.config import InputError
from tune_s11.lr_range.curve import Floats

BUDGET = 30
PEERS = ("priorband", "smac", "dehb")
ALONE = [name for name in LIVE_ARMS if name not in PEERS]


def fall(_recipe: object, _data: object, _hardware: object, lrs: Floats, _seed: int) -> Floats:
    """The losses of a ramp that does not diverge: a real one takes seconds."""
    return np.linspace(2.3, 1.0, len(lrs))


@pytest.fixture(autouse=True)
def quick_ramps(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ours.settings_of
    short = {"lr_range_steps": 20, "lr_range_seeds": 2}
    monkeypatch.setattr(ours, "settings_of", lambda repeat: whole(repeat).model_copy(update=short))
    monkeypatch.setattr(ours, "range_test", fall)


def run(name: str, *, defaults_first: bool = False, budget: int = BUDGET) -> Log:
    return LIVE_ARMS[name].run(tiny_lab.inputs(), tiny_lab.hardware(), budget, 0, defaults_first)


@cache
def ran(name: str) -> Log:
    """The arm's whole run, of which several tests look at one side each."""
    return run(name)


@pytest.mark.parametrize("name", ALONE)
def test_an_arm_stays_within_budget_and_space_and_repeats_itself(name: str) -> None:
    log = ran(name)
    assert 0 < len(log.events) <= BUDGET
    for trial in log.trials:
        for field, value in trial["params"].items():
            assert SPACE[field].low <= value <= SPACE[field].high
    assert run(name, budget=25).events == log.events[:25]


@pytest.mark.parametrize("name", ALONE)
def test_the_defaults_are_tried_first_where_every_arm_does(name: str) -> None:
    log = run(name, defaults_first=True, budget=15)  # one epoch more than the range test's 14, for whom it comes first
    assert log.trials[0]["params"] == defaults()
    if name != "defaults":
        assert ran(name).trials[0]["params"] != defaults()


def test_the_range_test_costs_its_ramps_and_gives_the_first_rate() -> None:
    log = ran("ramps-and-one-run")
    spent = sum(trial == -1 for trial, _ in log.events)
    assert spent == 14  # two ramps of 20 steps, three steps an epoch
    assert log.rates is not None
    assert log.rates["after"] == spent
    assert log.trials[0]["params"] == log.rates["params"]
    mine = ran("ours-before")
    assert mine.rates == log.rates
    assert mine.trials[0]["params"]["max_lr"] == log.rates["params"]["max_lr"]
    assert mine.trials[0]["params"]["momentum"] != defaults()["momentum"]


def test_within_fixed_bounds_there_is_no_range_test() -> None:
    log = ran("ours-within-fixed-bounds")
    assert all(trial >= 0 for trial, _ in log.events)
    assert all(FIXED_BOUNDS[0] <= trial["params"]["max_lr"] <= FIXED_BOUNDS[1] for trial in log.trials)


def test_a_range_test_that_refuses_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_curve: object) -> None:
        raise InputError("range test: the loss did not fall")

    monkeypatch.setattr(ours, "find_bounds", refuse)
    log = run("ours-before")
    assert log.refused == "range test: the loss did not fall"
    assert (len(log.events), log.trials) == (14, [])


def test_halving_keeps_the_best_third_and_changes_the_rate_alone() -> None:
    log = run("halving-on-lr", budget=9)  # three rates, of which one is trained to its third epoch, and four more
    first = log.trials[:3]
    assert log.events[:3] == [[0, 1], [1, 1], [2, 1]]
    best = max(range(3), key=lambda k: first[k]["ema"][0])
    assert log.events[3:5] == [[best, 2], [best, 3]]
    for trial in log.trials:
        assert trial["params"] | {"max_lr": 0} == defaults() | {"max_lr": 0}


def test_the_tpe_arms_prune_as_their_pruners_say(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never(optuna.pruners.BasePruner):
        def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
            return trial.number % 2 == 1

    monkeypatch.setattr(optuna.pruners, "MedianPruner", Never)
    log = run("tpe-median", budget=16)
    assert [len(trial["ema"]) for trial in log.trials] == [3, 1, 3, 1, 3, 1, 3, 1]


def test_ours_decides_as_the_programs_own_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two rungs of its own choice each trial's length is a rung or the end, and some are pruned."""
    monkeypatch.setattr(ours, "RUNGS", (1, 2))
    log = run("ours-within-fixed-bounds")
    lengths = [len(trial["ema"]) for trial in log.trials[:-1] if not trial["diverged"]]
    assert set(lengths) == {1, 2, 3}


def test_an_unfinished_search_is_no_error() -> None:
    with pytest.raises(BudgetSpent):
        ours.measure_bounds(Lab(tiny_lab.inputs(), tiny_lab.hardware(), 10, 0))
    log = run("ours-before", budget=10)
    assert (len(log.events), log.rates, log.refused) == (10, None, None)


@pytest.mark.slow
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_in_its_own_environment_trains_within_the_budget(name: str) -> None:
    log = run(name, budget=30)
    assert len(log.events) == 30
    assert len(log.trials) > 5
    assert {epoch for _, epoch in log.events} == {1, 2, 3}
    assert re.fullmatch(r"[0-9.e-]+", str(log.trials[0]["params"]["max_lr"]))
    assert log.trials[0]["params"] != defaults()
    assert run(name, budget=10, defaults_first=True).trials[0]["params"] == defaults()
