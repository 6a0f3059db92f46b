import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from asha import Policy, Trade
from pruning_replay import judge, recommend
from recorded import append_line
from synthetic import recording

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "pruning_replay.py"


def trade(saving: float, lost: float) -> Trade:
    return Trade(Policy("ema", 1, 2), saving, lost, lost)


def test_the_cheapest_within_tolerance_is_recommended() -> None:
    safe, fitting, wasteful, cheap = trade(1.5, 0), trade(2, 0.2), trade(1.8, 0.2), trade(4, 2)
    assert recommend([safe, wasteful, fitting, cheap], 0.2) == fitting
    assert recommend([cheap, trade(3, 1)], 0.2) == trade(3, 1)


def test_the_stretch_goal_is_not_needed() -> None:
    told = judge(trade(2, 0.1), trade(1.7, 0.3))
    assert told["met"]
    assert told["goals"]["stretch_saving"] == {"value": 2, "goal": 4.0, "met": False}
    assert not judge(trade(2, 0.3), trade(1.7, 0))["met"]
    assert not judge(trade(2, 0.1), trade(1.5, 0))["met"]


def test_eight_configurations_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "curves.jsonl"
    header, lines = recording(np.linspace(0.6, 0.8, 8), lambda score, epoch: score * epoch / 24, diverged={2: 5})
    for line in [header, *lines]:
        append_line(path, line)
    command = [sys.executable, str(SCRIPT), "--curves", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *tables, last = done.stdout.splitlines()
    assert "n = 8 configurations, 1 diverged" in tables[0]
    told = json.loads(last)
    assert told["n"] == 8
    assert told["goals"]["accuracy_points_lost"] == {"value": 0.0, "goal": 0.2, "met": True}
    assert told["met"] == all(told["goals"][name]["met"] for name in ("accuracy_points_lost", "saving_of_grace_8"))
    assert done.stderr == ""
