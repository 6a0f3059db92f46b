"""The workers of the memory benchmark share the images."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "memory.py"


@pytest.mark.slow
def test_whole_command() -> None:
    command = [sys.executable, str(SCRIPT), "--workers", "2", "--width", "2", "--steps", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["met"], done.stdout
