import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.lr_range.conditions import CONDITIONS
from benchmarks.lr_range.record import Task, recording_file
from benchmarks.lr_range.recording import CHANCE, Bench, Recording, read_recording
from benchmarks.tools.lines import append_line
from tests.benchmarks.lr_range.synthetic_recording import recording
from tune_s11.config import InputError
from tune_s11.lr_range.cycles import Cycle, Outcome


def test_the_best_rate_is_chosen_by_one_seed_and_scored_by_the_others() -> None:
    flattered = recording("mlp-m0.9-b64", 0.1)
    lines = flattered.lines
    lucky = flattered.condition.rates[3]
    lines[Task(12, lucky, 0)] |= {"held_out": 0.99}
    found = Recording(flattered.condition, lines)
    assert found.best == lucky
    assert found.lost(lucky) == 0
    assert found.lost(0.1) < 0  # The others do not share the first seed's luck.


def test_points_lost_are_those_to_the_best_and_a_refusal_is_chance() -> None:
    found = recording("mlp-m0.9-b64", 0.1)
    assert found.best == pytest.approx(0.1)
    assert found.lost(0.1) == pytest.approx(0, abs=1e-9)
    assert found.lost(0.01) == pytest.approx(20)
    assert found.lost(None) == pytest.approx(100 * (0.9 - CHANCE))
    # Between recorded rates accuracy is linear in the logarithm, beyond them it is that of the last one.
    assert found.lost(10**-1.5) == pytest.approx(10, abs=0.1)
    assert found.lost(1e-9) == found.lost(found.condition.rates[0])


def test_a_training_that_diverged_counts_as_chance() -> None:
    found = recording("mlp-m0.9-b64", 0.1, dies_above=0.2)
    assert found.lost(0.4642) == pytest.approx(80)


def test_the_plateau_is_what_is_within_a_point_of_the_best() -> None:
    found = recording("mlp-m0.9-b64", 0.1)
    assert found.plateau == (pytest.approx(0.1), pytest.approx(0.1))
    for seed in (0, 1, 2):
        found.lines[Task(12, 0.2154, seed)]["held_out"] = 0.89
    fresh = replace(found)
    assert fresh.plateau == (pytest.approx(0.1), pytest.approx(0.2154))


def test_a_bench_counts_what_is_spent() -> None:
    found = recording("mlp-m0.9-b64", 0.1, dies_above=1.0)
    bench = Bench(found)
    outcome = bench.train(Cycle(4, 0.1, 10))
    assert outcome.accuracy == pytest.approx(0.1 + 0.8 * (1 / 3) ** 0.2, abs=1e-3)
    assert (outcome.loss, outcome.epochs) == (found.lines[Task(4, 0.1, 10)]["ema_loss"], 4)
    assert bench.epochs == 4
    assert bench.train(Cycle(4, 2.154, 10)) == Outcome(None, None, 1)
    assert bench.epochs == 5  # It diverged in the first epoch.
    curve = bench.ramps()
    assert curve.losses.shape == (3, 100)
    assert math.isinf(curve.losses[0, -1])
    assert bench.epochs == pytest.approx(5 + 300 / 13)  # 853 images in batches of 64.
    with pytest.raises(KeyError):
        bench.train(Cycle(3, 0.1, 10))


def test_only_whole_recordings_are_read(tmp_path: Path) -> None:
    condition = CONDITIONS["mlp-m0-b32"]
    assert read_recording(condition, tmp_path) is None
    whole = recording(condition.name, 0.1)
    path = recording_file(condition.name, tmp_path)
    append_line(path, {"of": {}})
    *most, last = whole.lines.values()
    for line in most:
        append_line(path, line)
    assert read_recording(condition, tmp_path) is None
    append_line(path, last)
    assert read_recording(condition, tmp_path) == whole
    append_line(path, {"something": "else"})
    with pytest.raises(InputError, match="a line has no 'epochs'"):
        read_recording(condition, tmp_path)


def test_cycles_of_a_round_train_side_by_side_on_four_workers() -> None:
    found = recording("mlp-m0.9-b64", 0.1)
    bench = Bench(found)
    bench.train_all([Cycle(1, rate, 10) for rate in found.condition.rates[:5]])
    assert bench.seconds == pytest.approx(0.2)  # each takes 0.1 s, the fifth waits for a worker
    bench.train(Cycle(2, 0.1, 10))
    assert bench.seconds == pytest.approx(0.3)
    assert bench.epochs == 7
    assert found.seconds == pytest.approx(0.1)
