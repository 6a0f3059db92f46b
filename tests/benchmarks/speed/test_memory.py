"""The workers of the memory benchmark share the images."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_whole_command() -> None:
    command = [sys.executable, "-m", "benchmarks.speed.memory", "--workers", "2", "--width", "2", "--steps", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["met"], done.stdout
