import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.pruning.asha import Policy, Trade
from benchmarks.pruning.replay import FACTORS, GRACES, default_policy, judge, recommend
from benchmarks.tools.lines import append_line
from tests.benchmarks.pruning.synthetic import recording

ROOT = Path(__file__).parents[3]


def trade(saving: float, lost: float, lost_90: float | None = None) -> Trade:
    return Trade(Policy("ema", 1, 2), saving, lost, lost if lost_90 is None else lost_90)


def test_the_cheapest_within_tolerance_is_recommended() -> None:
    safe, fitting, wasteful, cheap = trade(1.5, 0), trade(2, 0.2), trade(1.8, 0.2), trade(4, 2)
    assert recommend([safe, wasteful, fitting, cheap, trade(3, 0, 0.3)]) == fitting
    assert recommend([cheap, trade(3, 1)]) == trade(3, 1)


def test_the_stretch_goal_is_not_needed() -> None:
    told = judge(trade(2, 0.1), trade(1.7, 0.3))
    assert told["met"]
    assert told["goals"]["stretch_saving_of_default"] == {"value": 2, "goal": 4.0, "met": False}
    assert not judge(trade(2, 0.3), trade(1.7, 0))["met"]
    assert not judge(trade(2, 0.1), trade(1.5, 0))["met"]


def test_the_default_is_one_of_those_that_are_replayed() -> None:
    default = default_policy()
    assert default.grace in GRACES
    assert default.factor in FACTORS


def test_eight_configurations_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "curves.jsonl"
    header, lines = recording(np.linspace(0.6, 0.8, 8), lambda score, epoch: score * epoch / 24, diverged={2: 5})
    for line in [header, *lines]:
        append_line(path, line)
    command = [sys.executable, "-m", "benchmarks.pruning.replay", "--curves", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    *tables, last = done.stdout.splitlines()
    assert "n = 8 configurations, 1 diverged" in tables[0]
    told = json.loads(last)
    assert told["n"] == 8
    assert told["goals"]["points_lost_by_default"] == {"value": 0.0, "goal": 0.2, "met": True}
    assert told["met"] == all(told["goals"][name]["met"] for name in ("points_lost_by_default", "saving_of_grace_8"))
    assert done.stderr == ""
