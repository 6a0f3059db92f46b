"""The headline's command on digits, and its tables."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from benchmarks.headline.tables import notes_of, render

ROOT = Path(__file__).parents[3]

TINY = {
    "dataset": "digits",
    "image_size": 8,
    "val_fraction": 0.2,
    "width": 4,
    "epochs": 6,
    "peak_epoch": 2,
    "batch_size": 64,
    "train_images": 600,
    "pad": 1,
    "cutout": 2,
    "flip": "false",
    "search.samples": 3,
    "search.grace": 2,
    "search.lr_range_steps": 40,
    "search.lr_range_trials": 1,
    "refit.width": 6,
    "refit.train_images": 900,
}


@pytest.fixture
def entry() -> dict[str, Any]:
    accuracy = {"mean": 0.931, "sd": 0.002, "n": 2}
    return {
        "command": "-m benchmarks.headline --profile cpu",
        "date": "2026-01-02",
        "machine": {"cpu": "A CPU", "cores": 2, "gpus": []},
        "packages": {"torch": "2.15.0"},
        "python": "3.11.7",
        "search": {
            "trials": {"complete": 5, "pruned": 11},
            "width": 16,
            "train_images": 20000,
            "epochs_run": 208,
            "epochs_without_pruning": 384,
            "hours_of_training": 0.5,
            "bounds": {"low": 0.05, "high": 1.5, "suggestion": 0.5},
        },
        "winner": {"trial": "t0003", "params": {"max_lr": 0.41}, "validation_accuracy": 0.87},
        "refit": {
            "width": 32,
            "train_images": 50000,
            "epochs": 24,
            "precision": "bf16",
            "test_accuracy": accuracy,
            "test_accuracy_raw": accuracy | {"mean": 0.929},
            "test_accuracy_flipped_too": accuracy | {"mean": 0.934},
            "runs": [{"seed": 0, "ema": 0.93, "raw": 0.928}, {"seed": 1, "ema": 0.932, "raw": 0.93}],
        },
        "variants": {"the suggestion": {"test_accuracy": accuracy | {"sd": None}, "test_accuracy_raw": accuracy}},
    }


def test_tables_show_what_was_measured_and_what_was_not(entry: dict[str, Any]) -> None:
    text = render({"headline": None, "cpu": entry, "gpu": None})
    for line in (
        "Not measured yet: `--profile gpu`, `--profile cpu-64` of `benchmarks.headline`.",
        "| the winner (width 32, 50,000 images, 24 epochs, bf16) | 0.9310 | - | 2 |",
        "| the same, EMA weights, mirror images too | 0.9340 | - | 2 |",
        "| the suggestion | 0.9310 | - | 2 |",
        "Goal, mean test accuracy: at least 0.93; met.",
        "seed 1: 0.9320",
        "5 complete, 11 pruned; 208 epochs run, 384 without pruning",
    ):
        assert line in text
    whole = {key: part for key, part in entry.items() if key != "search"}
    whole["refit"] = entry["refit"] | {"width": 64, "test_accuracy": {"mean": 0.94, "sd": None, "n": 1}}
    text = render({"headline": None, "cpu": None, "cpu-64": whole, "gpu": None})
    assert "Goal, test accuracy: at least 0.937; met." in text
    assert "The winner is that of `--profile cpu`: t0003, validation accuracy 0.8700: max_lr 0.41." in text
    entry["refit"]["test_accuracy"]["mean"] = 0.925
    assert "missed by 0.0050" in render({"headline": None, "cpu": entry, "gpu": None})


def test_what_people_wrote_below_the_tables_stays(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    assert notes_of(page) == ""
    page.write_text(render({}))
    assert notes_of(page) == ""
    page.write_text(render({}) + "\n## Notes\n\nOne.\n\n## And more\n")
    assert notes_of(page) == "\n## Notes\n\nOne.\n\n## And more\n"


@pytest.mark.slow
def test_whole_command(tmp_path: Path) -> None:
    settings = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "benchmarks.headline", "--profile", "cpu", *settings]
    folders = ["--storage", str(tmp_path / "results"), "--out", str(tmp_path / "docs")]
    given = {"env": os.environ | {"OMP_NUM_THREADS": "1"}, "cwd": ROOT, "timeout": 560}
    for _ in range(2):  # the second time finds everything done
        done = subprocess.run([*command, *folders], capture_output=True, text=True, **given)
        assert done.returncode == 0, done.stdout + done.stderr
    other = [*command, "--set", "momentum=0.8", *folders]
    done = subprocess.run(other, capture_output=True, text=True, **given)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path / 'results' / 'headline-cpu'}: was started by run_search.py ")
    metrics = json.loads((tmp_path / "results" / "headline-cpu" / "best" / "metrics.json").read_text())
    results = json.loads((tmp_path / "docs" / "results.json").read_text())
    assert results["headline"] == {
        "dataset": "digits",
        "width": 6,
        "n": 2,
        "test_accuracy_mean": metrics["test_accuracy"]["mean"],
        "test_accuracy_sd": metrics["test_accuracy"]["sd"],
    }
    assert results["gpu"] is results["cpu-64"] is None
    assert f"{metrics['test_accuracy']['mean']:.4f}" in (tmp_path / "docs" / "results.md").read_text()
    for name in ("trials", "range_test", "schedule", "curves"):
        with Image.open(tmp_path / "docs" / f"{name}.png") as picture:
            assert picture.width == 1100

    wide = [*command[:3], "--profile", "cpu-64", *settings, *folders]
    for _ in range(2):
        done = subprocess.run(wide, capture_output=True, text=True, **given)
        assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / "docs" / "results.json").read_text())
    assert results["cpu-64"]["winner"] == results["cpu"]["winner"]
    (run,) = results["cpu-64"]["refit"]["runs"]
    assert 0.2 < run["ema"] == results["headline"]["test_accuracy_mean"]
    assert results["headline"] | {"test_accuracy_mean": 0} == {
        "dataset": "digits",
        "width": 4,  # as set: without, it is the recipe's own
        "n": 1,
        "test_accuracy_mean": 0,
        "test_accuracy_sd": None,
    }
    done = subprocess.run([*wide, "--set", "width=5"], capture_output=True, text=True, **given)
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"error: {tmp_path / 'results' / 'headline-cpu-64'}: was started with another recipe; "
    )


def test_the_full_recipe_needs_a_winner(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.headline", "--profile", "cpu-64", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: --profile cpu-64: {tmp_path / 'results.json'} has no winner yet; ")
