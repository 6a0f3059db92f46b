import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.pruning.audit_coverage import Audited, examine, judge, main, of_the_table, tell
from benchmarks.pruning.curves import build_curves
from benchmarks.pruning.simulator import Simulated, Workers, World, simulated_epoch
from benchmarks.pruning.surrogate import Course
from benchmarks.tools.lines import append_line
from tests.benchmarks.pruning.synthetic import recording_of_s11
from tune_s11.config import Recipe
from tune_s11.results import State, TrialResult
from tune_s11.results.records import AuditRecord
from tune_s11.search_space import load_space

CURVES = build_curves(*recording_of_s11(30))
WORLD = World.recorded(CURVES, load_space("s11"))


def trial(number: int, signal: list[float], state: State) -> TrialResult:
    rows = [simulated_epoch(Course(np.array(signal), signal[-1], False), k + 1) for k in range(len(signal))]
    return TrialResult(number, {}, Recipe(), number, None, rows, state)


def test_truth_is_of_all_that_were_to_be_stopped() -> None:
    """Two are let through at 0.8 and 0.7; of four to be stopped one audited and one pruned belong with them."""
    ends = [0.8, 0.7, 0.6, 0.75, 0.1, 0.9, 0.2]
    states: list[State] = ["complete"] * 5 + ["pruned"] * 2
    courses = [Course(np.array([0.5, end]), end, False) for end in ends]
    trials = [
        trial(k, [0.5] if state == "pruned" else [0.5, end], state)
        for k, (end, state) in enumerate(zip(ends, states, strict=True))
    ]
    audit = AuditRecord(one_in=2, decisions=4, trials={"t0003": 1, "t0004": 1})
    found = examine(Simulated(trials, courses, audit, 0.0), finalists=2)
    assert (found.truth, found.audited, found.covered) == (0.5, 2, True)
    assert found.extra == 2 / (12 - 2)
    nothing = examine(Simulated(trials[:3], courses[:3], None, 0.0), finalists=2)
    assert (nothing.truth, nothing.low, nothing.covered) == (0.0, None, False)


def test_audited_trials_are_told_from_the_search() -> None:
    found = [examine(WORLD.with_search(seed=seed, audit=0.05).simulate(Workers(8)), 5) for seed in range(5)]
    assert all(each.audited >= 2 for each in found)
    assert all(0 < each.extra < 0.25 for each in found)
    unaudited = examine(WORLD.with_search(audit=0.0).simulate(Workers(8)), 5)
    assert (unaudited.audited, unaudited.extra, unaudited.low) == (0, 0.0, None)


def test_the_table_is_searched_each_configuration_once() -> None:
    small = replace(WORLD).with_search(samples=20)
    worlds = list(of_the_table(small, CURVES, range(2)))
    assert worlds[0].first != worlds[1].first
    trials = worlds[0].simulate(Workers(4)).trials
    assert [trial.params for trial in trials] == list(worlds[0].first)
    assert len({trial.params["max_lr"] for trial in trials}) == 20


def test_the_worst_line_counts(capsys: pytest.CaptureFixture[str]) -> None:
    good, wrong = Audited(0.1, 0.0, 0.5, 3, 0.05), Audited(0.6, 0.0, 0.5, 3, 0.05)
    silent = Audited(0.0, None, None, 0, 0.0)
    assert judge([[good] * 10])["met"]
    assert judge([[good] * 10, [good] * 8 + [wrong] * 2])["goals"]["coverage"] == {
        "value": 0.8,
        "goal": 0.9,
        "met": False,
    }
    assert not judge([[good] * 8 + [silent] * 2])["met"]
    assert not judge([[replace(good, extra=0.09)] * 10])["met"]
    tell("line", [good, silent])
    assert capsys.readouterr().out.split() == ["line", "2", "50.0%", "0.050", "0.50", "1.5", "1", "2.5%", "5.0%"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "curves.jsonl"
    header, lines = recording_of_s11(20)
    for line in [header, *lines]:
        append_line(path, line)
    main(path, 2)
    *_, tpe, random, big, table, last = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in (tpe, random, big, table)] == [
        *("tpe", "random", "random, 512 trials", "each of the table's 20 once"),
    ]
    told = json.loads(last)
    assert (told["n"], set(told["goals"])) == (20, {"coverage", "extra_epochs"})
