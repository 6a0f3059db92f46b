import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tools.lines import read_lines

ROOT = Path(__file__).parents[3]
SETTINGS = ["width=2", "train_images=300", "val_fraction=0.3", "batch_size=32", "epochs=3", "peak_epoch=1"]


def record(out: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    changes = [part for setting in SETTINGS for part in ("--set", setting)]
    command = [
        sys.executable,
        "-m",
        "benchmarks.pruning.record",
        "--space",
        "quick",
        "--apart",
        "100",
        "--workers",
        "1",
        "--out",
        str(out),
    ]
    few = ["--apart", "100", "--workers", "1"]
    return subprocess.run([*command, *few, *changes, *options], capture_output=True, text=True, cwd=ROOT, check=False)


def without_times(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key != "seconds"}


@pytest.mark.slow
def test_an_interrupted_recording_goes_on(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    done = record(whole, "--count", "2")
    assert done.returncode == 0, done.stderr
    header, *lines = read_lines(whole)
    assert header["of"]["images"] == {"train": 210, "validation": 90, "apart": 100, "recompute": 1000}
    assert header["bounds"]["low"] < header["bounds"]["high"]
    assert "max_lr" in lines[0]["config"]
    assert lines[0]["config"] != lines[1]["config"]

    text = whole.read_text().splitlines(keepends=True)
    cut.write_text("".join([text[0], text[2], text[1][:50]]))  # number 1 whole, number 0 half written
    again = record(cut, "--count", "2")
    assert again.returncode == 0, again.stderr
    assert "1 recorded, 1 to go" in again.stdout
    assert [json.dumps(without_times(line)) for line in read_lines(cut)[1:]] == [
        json.dumps(without_times(line)) for line in reversed(lines)
    ]

    refused = record(cut, "--count", "2", "--set", "width=3")
    assert refused.returncode == 2
    assert "was recorded with another recipe" in refused.stderr
