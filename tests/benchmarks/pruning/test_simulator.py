import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.pruning.asha import Policy, build_ladder, replay
from benchmarks.pruning.curves import build_curves
from benchmarks.pruning.simulator import Simulated, Workers, World
from tests.benchmarks.pruning.synthetic import recording_of_s11, s11_world
from tune_s11.search_space import load_space

CURVES = build_curves(*recording_of_s11(40))
WORLD = World.recorded(CURVES, load_space("s11"))


def of_the_table(order: Any, **settings: Any) -> World:
    """Searches the recorded configurations in this order."""
    first = tuple(CURVES.configs[trial] for trial in order)
    return replace(WORLD, first=first).with_search(samples=len(first), **settings)


@pytest.mark.parametrize(("grace", "factor"), [(8, 3), (2, 3), (3, 2)])
@pytest.mark.parametrize("workers", [1, 4, 40])
def test_a_search_over_the_table_is_the_replay_of_its_policy(grace: int, factor: int, workers: int) -> None:
    """Two implementations of one thing: the program's own scheduler here, this folder's replay of it there."""
    order = np.random.default_rng(0).permutation(40)
    ladder = build_ladder(CURVES, Policy("ema", grace, factor))
    assert ladder is not None
    expected = replay(ladder, order.tolist(), workers)
    search = of_the_table(order, grace=grace, factor=factor, audit=0).simulate(Workers(workers))
    assert search.spent == expected.spent
    complete = [trial.number for trial in search.trials if trial.state == "complete"]
    assert sorted(order[complete]) == sorted(trial for trial in expected.unpruned if not CURVES.diverged[trial])


def test_what_is_lost_is_what_stopping_cost() -> None:
    good, bad = np.argsort(-CURVES.chosen_by), np.argsort(CURVES.chosen_by)
    for order in (good, bad):
        free = of_the_table(order, scheduler="none").simulate(Workers(4))
        assert (free.lost, free.saving, free.audit) == (0.0, 1.0, None)
        assert free.spent == CURVES.ended.sum()
        pruned = of_the_table(order, audit=0).simulate(Workers(4))
        assert pruned.saving > 1
        assert pruned.lost == pytest.approx(100 * (free.best - pruned.best))


def test_a_search_repeats_itself_and_another_seed_does_not() -> None:
    def told(search: Simulated) -> list[Any]:
        return [(trial.params, trial.state, trial.rows) for trial in search.trials]

    small = WORLD.with_search(samples=30)
    assert told(small.simulate(Workers(4))) == told(small.simulate(Workers(4)))
    assert told(small.simulate(Workers(4))) != told(small.with_search(seed=1).simulate(Workers(4)))


def test_audited_trials_run_on() -> None:
    search = WORLD.with_search(samples=60, grace=8, audit=0.05).simulate(Workers(4))
    assert search.audit is not None
    audited = set(search.audit.trials)
    assert len(audited) >= 2
    assert {trial.state for trial in search.trials if trial.name in audited} <= {"complete", "diverged"}
    pruned = [trial for trial in search.trials if trial.state == "pruned"]
    assert {trial.epoch for trial in pruned} == {8}
    assert search.audit.decisions == len(pruned) + len(audited)


def test_time_is_what_workers_make_of_the_epochs() -> None:
    free = WORLD.with_search(samples=16, scheduler="none", sampler="random")
    epochs = [len(course.signal) for course in free.simulate(Workers(1)).courses]
    assert free.simulate(Workers(1)).time == sum(epochs)
    assert free.simulate(Workers(16)).time == max(epochs)
    assert free.simulate(Workers(16, stragglers=16, slowness=3)).time == 3 * max(epochs)
    mixed = free.simulate(Workers(2, stragglers=1, slowness=1000))
    assert mixed.time == 1000 * epochs[0]  # the slow worker never gets past the first trial


def test_slow_workers_come_late_to_the_rung() -> None:
    """The worst trials first, each on a worker of its own: in step none is stopped, for each is the best so far."""
    worst_first = np.argsort(CURVES.signals["ema"][:, 7], kind="stable")
    world = of_the_table(worst_first, grace=8, audit=0)
    assert {trial.state for trial in world.simulate(Workers(40)).trials} <= {"complete", "diverged"}
    late = world.simulate(Workers(40, stragglers=20, slowness=2))
    assert {trial.state for trial in late.trials[10:20]} == {"pruned"}


def test_the_search_begins_with_the_range_tests_suggestion() -> None:
    params = WORLD.with_search(samples=1).simulate(Workers(1)).trials[0].params
    assert params["max_lr"] == 0.667
    assert params["min_lr_fraction"] == pytest.approx(0.0026 / 0.667)


@pytest.mark.slow
def test_tune_itself_does_the_same(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "tests.benchmarks.pruning.through_tune", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(root)}  # for Tune's workers too
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    trials = s11_world().simulate(Workers(1)).trials
    states = {"complete": "COMPLETE", "pruned": "PRUNED", "diverged": "PRUNED"}
    expected = [[trial.params, states[trial.state], trial.epoch] for trial in trials]
    assert json.loads(done.stdout.splitlines()[-1]) == expected
    assert {trial.state for trial in trials} == set(states)
    audit = s11_world().simulate(Workers(1)).audit
    assert audit is not None
    assert json.loads((tmp_path / "audit.json").read_text()) == audit.model_dump()
