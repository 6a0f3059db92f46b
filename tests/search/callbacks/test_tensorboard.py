"""What TensorBoard reads of a trial, and under what name."""

import os
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tune_s11.search.callbacks.tensorboard import TensorBoardFiles, run_name


@pytest.mark.parametrize(
    ("number", "params", "name"),
    [
        (7, {"max_lr": 0.4098, "weight_decay": 5e-4}, "t0007 lr=0.41 wd=5e-4"),
        (123, {"weight_decay": 0.0012345, "momentum": 0.94991}, "t0123 wd=0.0012 mom=0.95"),
        (0, {"min_lr_fraction": 0.000123, "label_smoothing": 0.0}, "t0000 min=1.2e-4 ls=0"),
        (1, {"width": 512, "peak_epoch": 4.5}, "t0001 width=512 peak_epoch=4.5"),
    ],
)
def test_name_tells_the_parameters(number: int, params: dict[str, Any], name: str) -> None:
    assert run_name(number, params) == name


def row(epoch: int, diverged: bool = False) -> dict[str, Any]:
    accuracies = dict.fromkeys(("train_accuracy", "val_accuracy", "ema_val_accuracy"), epoch / 10)
    losses = dict.fromkeys(("train_loss", "val_loss", "ema_val_loss"), None if diverged else 1 / epoch)
    return {"epoch": epoch, "lr": 0.1 * epoch, "images_per_second": 1000.0, **accuracies, **losses}


def test_each_epoch_of_a_report_is_a_step(tmp_path: Path) -> None:
    trial = SimpleNamespace(trial_id="a1", config={"number": 3, "params": {"max_lr": 0.2}})
    files = TensorBoardFiles(tmp_path)
    files.on_trial_result(1, [], trial, {"epochs": [row(1), row(2)]})
    files.on_trial_result(2, [], trial, {"epochs": [row(3, diverged=True)]})
    files.on_trial_complete(3, [], trial)

    events = EventAccumulator(str(tmp_path / "t0003 lr=0.2")).Reload()
    for tag, expected in (
        ("accuracy/validation_averaged", [(1, 0.1), (2, 0.2), (3, 0.3)]),
        ("loss/validation", [(1, 1.0), (2, 0.5)]),
        ("learning_rate", [(1, 0.1), (2, 0.2), (3, 0.3)]),
    ):
        assert [(it.step, pytest.approx(it.value)) for it in events.Scalars(tag)] == expected


def test_files_of_unfinished_trials_are_closed_even_where_the_disk_is_full(tmp_path: Path) -> None:
    trials = [SimpleNamespace(trial_id=name, config={"number": int(name), "params": {}}) for name in "01"]
    with closing(TensorBoardFiles(tmp_path)) as files:
        for trial in trials:
            files.on_trial_result(1, [], trial, {"epochs": [row(1)]})
        full, other = (writer._writer for writer in files._writers.values())
        with Path("/dev/full").open("wb") as device:
            os.dup2(device.fileno(), full.fileno())
        full.write(b"more")
    assert full.closed
    assert other.closed


def test_a_trial_that_never_reported_ends_quietly(tmp_path: Path) -> None:
    TensorBoardFiles(tmp_path).on_trial_error(1, [], SimpleNamespace(trial_id="a1"))
    assert list(tmp_path.iterdir()) == []
