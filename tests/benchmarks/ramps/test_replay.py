"""What bounds are worth, where by construction the best max_lr is 0.4."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from optuna.distributions import FloatDistribution

from benchmarks.pruning.curves import build_curves
from benchmarks.pruning.simulator import Workers, World
from benchmarks.ramps.replay import (
    STARTUP,
    Searches,
    as_prior,
    as_walls,
    epochs_to,
    judge,
    main,
    range_test_epochs,
    ratio,
    run_searches,
)
from benchmarks.tools.lines import append_line
from tests.benchmarks.pruning.synthetic import BOUNDS, recording_of_s11
from tune_s11.config import InputError
from tune_s11.search_space import load_space

WIDE = (1e-4, 10.0)
CURVES = build_curves(*recording_of_s11(120, between=WIDE))
WORLD = World.recorded(CURVES, load_space("s11"), between=WIDE).with_search(samples=30)
TARGET = float(np.quantile(CURVES.chosen_by, 0.9))


def test_epochs_are_counted_to_the_first_that_reaches_the_target() -> None:
    search = WORLD.simulate(Workers(1))
    complete = [trial.number for trial in search.trials if trial.state == "complete"]
    best = max(complete, key=lambda number: search.courses[number].chosen_by)
    until = epochs_to(search, search.courses[best].chosen_by)
    assert until == sum(trial.epoch for trial in search.trials[: best + 1])
    assert epochs_to(search, 0) == sum(trial.epoch for trial in search.trials[: complete[0] + 1])
    assert epochs_to(search, 0.99) is None


def test_walls_keep_trials_in_and_a_prior_only_the_first() -> None:
    low, high = BOUNDS["low"], BOUNDS["high"]
    inside = as_walls(WORLD, low, high, 0.6).simulate(Workers(1)).trials
    assert all(low <= trial.params["max_lr"] <= high for trial in inside)
    around = as_prior(WORLD, 0.02, 0.1, 0.05).simulate(Workers(1)).trials
    assert all(0.02 <= trial.params["max_lr"] <= 0.1 for trial in around[:STARTUP])
    assert max(trial.params["max_lr"] for trial in around) > 0.1
    beside = {name: WORLD.first[0][name] for name in inside[0].params if name != "max_lr"}
    assert inside[0].params == beside | {"max_lr": 0.6}
    assert around[0].params == beside | {"max_lr": 0.05}


def test_a_prior_goes_no_farther_than_what_was_recorded() -> None:
    domain = as_prior(WORLD, 0.0002, 8, 0.5).config.space["max_lr"]
    assert isinstance(domain, FloatDistribution)
    assert (domain.low, domain.high) == WIDE


def test_the_range_test_is_paid_for() -> None:
    settings = {"lr_range_seeds": 3, "lr_range_steps": 100}
    world = WORLD.with_search(**settings)
    assert range_test_epochs(world, images=3 * 512 * 25) == 4
    dear, free = (run_searches([replace(world, first=())], TARGET, before=before) for before in (4, 0))
    assert dear.epochs - free.epochs == 4


def test_right_bounds_are_faster_than_none() -> None:
    worlds = [WORLD.with_search(seed=seed) for seed in range(6)]
    free = run_searches([replace(world, first=()) for world in worlds], TARGET, before=0)
    walls = run_searches([as_walls(world, 0.13, 1.2, 0.4) for world in worlds], TARGET, before=2)
    assert ratio(free.epochs, walls.epochs)[0] > 1.5
    shut_out = run_searches([as_walls(world, 2, 10, 5) for world in worlds], TARGET, before=2)
    assert ratio(shut_out.epochs, walls.epochs)[0] > 3


def test_each_goal_counts() -> None:
    def searches(epochs: float, reached: bool = True) -> Searches:
        return Searches(np.full(4, epochs), np.full(4, reached), np.full(4, 0.8))

    walls, prior, free = searches(100), searches(104), searches(151)
    assert judge(walls, prior, [prior], free)["met"]
    for met, *found in (
        ("epochs_of_prior_over_walls", walls, searches(106), [prior], free),
        ("reached_when_shifted", walls, prior, [prior, searches(104, reached=False)], free),
        ("epochs_without_bounds_over_walls", walls, prior, [prior], searches(149)),
    ):
        told = judge(*found)  # type: ignore[arg-type]
        assert [name for name, goal in told["goals"].items() if not goal["met"]] == [met]


def test_the_ratio_of_equals_is_one() -> None:
    epochs = np.array([100.0, 300.0, 50.0])
    assert ratio(epochs, epochs) == (1, 1, 1)


def test_recorded_intervals_stay_what_they_are() -> None:
    """As 2,000 draws from seed 0, written out, gave them."""
    found = ratio(np.array([104.0, 118, 97, 130, 111]), np.array([100.0, 109, 99, 121, 90]))
    assert found == pytest.approx((1.0789980732177264, 1.0160642570281124, 1.158214643952244), rel=1e-12)


def write(path: Path, drawn: bool) -> Path:
    header, lines = recording_of_s11(30, between=WIDE)
    header["of"] |= {"images": {"train": 12_800}} | ({"drawn": WIDE} if drawn else {})
    for line in [header, *lines]:
        append_line(path, line)
    return path


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(write(tmp_path / "curves.jsonl", drawn=True), 2)
    *tables, last = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in tables if line.startswith(("no", "as", "a constant"))] == [
        *("no bounds", "no bounds, first trial alike", "a constant wall, no range test", "as walls", "as prior"),
        *("as walls, shifted to 5 times", "as prior, shifted to 5 times"),
        *("as walls, shifted to 0.2 times", "as prior, shifted to 0.2 times"),
    ]
    assert json.loads(last)["n"] == 30


def test_a_recording_within_the_bounds_tells_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="recorded within the bounds; expected a recording with --lr-bounds"):
        main(write(tmp_path / "curves.jsonl", drawn=False), 2)
