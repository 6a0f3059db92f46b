import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.race import contest
from benchmarks.race.contest import Task, contest_file, plan, retrain, search
from benchmarks.race.live_arms import LIVE_ARMS, LiveArm
from benchmarks.race.log import Log
from benchmarks.race.problems import PROBLEMS, Problem, defaults
from benchmarks.tools.lines import read_lines
from tests.benchmarks.race import tiny_lab
from tune_s11.config import InputError

ARMS = ["defaults", "tpe-median"]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, in_this_process: None) -> None:
    monkeypatch.setitem(PROBLEMS, "tiny", tiny_lab.TINY)
    monkeypatch.setattr(contest, "TRIALS", 3)


def run(folder: Path, problem: str = "tiny", *, repeats: int = 1, arm: Any = ARMS, **options: Any) -> None:
    arguments = {"defaults_first": False, "workers": 1, "data_dir": None, "aside": False} | options
    contest.main(problem, repeats, arm, contests=folder, **arguments)


def test_a_search_is_a_line_with_all_that_it_trained_and_would_ship() -> None:
    line = search(tiny_lab.inputs(), tiny_lab.hardware(), Task("tpe-median", False, 1))
    assert len(line["events"]) == 9
    assert [line["arm"], line["defaults_first"], line["repeat"]] == ["tpe-median", False, 1]
    assert line["fresh"].keys() <= {str(row) for row in range(len(line["trials"]))}
    assert json.loads(json.dumps(line)) == line
    again = search(tiny_lab.inputs(), tiny_lab.hardware(), Task("tpe-median", False, 1))
    assert again | {"seconds": 0} == line | {"seconds": 0}


def test_what_is_shipped_is_retrained_from_the_repeats_own_seed() -> None:
    log = LIVE_ARMS["defaults"].run(tiny_lab.inputs(), tiny_lab.hardware(), 9, 0, defaults_first=False)
    first = retrain(tiny_lab.inputs(), tiny_lab.hardware(), log, 0)
    assert list(first) == [0]
    assert retrain(tiny_lab.inputs(), tiny_lab.hardware(), log, 0) == first
    assert any(retrain(tiny_lab.inputs(), tiny_lab.hardware(), log, repeat) != first for repeat in (1, 2, 3))
    nothing = Log(refused="range test: the loss did not fall")
    assert retrain(tiny_lab.inputs(), tiny_lab.hardware(), nothing, 0) == {-1: first[0]}  # the same defaults


def test_who_diverges_again_scores_as_chance() -> None:
    wild = {**defaults(), "max_lr": 1e30, "min_lr_fraction": 1.0}
    log = Log([{"params": wild, "ema": [0.5, 0.5, 0.5], "diverged": False}], [[0, 1], [0, 2], [0, 3]])
    assert retrain(tiny_lab.inputs(), tiny_lab.hardware(), log, 0) == {0: 0.1}


def test_the_same_command_resumes(tmp_path: Path) -> None:
    run(tmp_path, repeats=2)
    path = contest_file("tiny", tmp_path)
    whole = path.read_text().splitlines(keepends=True)
    tasks = [(line["arm"], line["repeat"]) for line in read_lines(path)[1:]]
    assert sorted(tasks) == [("defaults", 0), ("defaults", 1), ("tpe-median", 0), ("tpe-median", 1)]
    path.write_text("".join(whole[:3]) + whole[3][:50])
    run(tmp_path, repeats=2)
    again = {(line["arm"], line["repeat"]): line | {"seconds": 0} for line in read_lines(path)[1:]}
    assert [again[task] for task in tasks] == [json.loads(line) | {"seconds": 0} for line in whole[1:]]
    run(tmp_path, repeats=1, defaults_first=True)
    assert [line["defaults_first"] for line in read_lines(path)[5:]] == [True, True]


def test_arms_take_turns() -> None:
    assert [(task.arm, task.repeat) for task in plan(["a", "b"], 2, True)] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_an_arm_that_refuses_is_recorded_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_lab: object, _defaults_first: bool) -> None:
        raise InputError("range test: the loss did not fall")

    monkeypatch.setitem(LIVE_ARMS, "refuses", LiveArm("refuses", refuse))
    run(tmp_path, arm=["refuses"])
    line = read_lines(contest_file("tiny", tmp_path))[1]
    assert (line["refused"], line["trials"], list(line["fresh"])) == ("range test: the loss did not fall", [], ["-1"])


def test_bad_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROBLEMS, "kept", Problem("kept", tiny_lab.FIELDS, 100, aside=True))
    with pytest.raises(InputError, match="--arm best: must be one of defaults, ramps-and-one-run, "):
        run(tmp_path, arm=["best"])
    with pytest.raises(InputError, match="PROBLEM kept: is kept until the next policy is fixed; --aside runs on it"):
        run(tmp_path, "kept")
    assert not list(tmp_path.iterdir())
