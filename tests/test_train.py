"""``python -m tune_s11.train`` is the command ``tune-s11 train``."""

import subprocess
import sys


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tune_s11.train", "--help"], capture_output=True, text=True, check=True
    )
    assert "--trial" in done.stdout
    assert "python -m tune_s11.train" in done.stdout
