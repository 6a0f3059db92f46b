"""The command as it is typed, on a narrow network."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from packing import trials_a_minute

from tune_s11.search.pace import Pace

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "packing.py"


def test_trials_a_minute() -> None:
    pace = Pace(begin=2.0, step=0.1, evaluation=1.0, steps=10, memory=0, gpu_memory=0)
    assert trials_a_minute(pace, 3, 14) == pytest.approx(6.0)


@pytest.mark.slow
def test_the_command() -> None:
    command = [sys.executable, str(SCRIPT), "--width", "2", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=500)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["n"] == 1
    assert "at a time, " in done.stdout.splitlines()[-2]
