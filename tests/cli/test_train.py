"""Single trials: run, interrupted, resumed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tune_s11.cli import train
from tune_s11.training import fitting
from tune_s11.training.metrics import EpochMetrics, read_metrics
from tune_s11.training.trainer import Trainer

TINY = ["--space", "quick", "--threads", "1", "--precision", "fp32"]
TINY += [f"--set={setting}" for setting in ("image_size=8", "width=4", "pad=1", "cutout=2", "epochs=6", "peak_epoch=2")]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def run(*arguments: str) -> None:
        monkeypatch.setattr("sys.argv", ["train", "--storage", str(tmp_path), *arguments])
        with pytest.raises(SystemExit) as exit:
            train.main()
        assert exit.value.code == 0

    return run


def without_times(epochs: list[EpochMetrics]) -> list[EpochMetrics]:
    return [replace(epoch, seconds=0.0, images_per_second=0.0) for epoch in epochs]


def test_run_and_resume(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*TINY, "--name", "whole")
    output = capsys.readouterr().out
    assert "epoch   6/6" in output
    whole = read_metrics(tmp_path / "whole" / "metrics.jsonl")
    assert [epoch.epoch for epoch in whole] == [1, 2, 3, 4, 5, 6]
    record = json.loads((tmp_path / "whole" / "run.json").read_text())
    assert record["hardware"] == {"device": "cpu", "precision": "fp32", "threads": 1, "compiled": False}

    # The same, cut off by an error in the fourth epoch, with a checkpoint after each.
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", 0.0)
    run_epoch = Trainer.run_epoch

    def cut_off(self: Trainer) -> EpochMetrics:
        if self.epoch == 3:
            raise KeyboardInterrupt
        return run_epoch(self)

    monkeypatch.setattr(Trainer, "run_epoch", cut_off)
    monkeypatch.setattr("sys.argv", ["train", "--storage", str(tmp_path), *TINY, "--name", "cut"])
    with pytest.raises(SystemExit) as exit:
        train.main()
    assert exit.value.code == 130
    monkeypatch.setattr(Trainer, "run_epoch", run_epoch)
    run("--resume", "cut")
    assert without_times(read_metrics(tmp_path / "cut" / "metrics.jsonl")) == without_times(whole)


def test_a_run_of_a_gpu_goes_on_only_where_there_is_one(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*TINY, "--name", "mine")
    record = tmp_path / "mine" / "run.json"
    record.write_text(record.read_text().replace('"cpu",\n    "precision"', '"cuda",\n    "precision"'))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["train", "--storage", str(tmp_path), "--resume", "mine"])
    with pytest.raises(SystemExit) as exit:
        train.main()
    assert exit.value.code == 2
    assert "error: --resume mine: ran on a GPU, and " in capsys.readouterr().err


def test_without_an_ema_an_epoch_s_line_has_the_raw_weights_alone(
    run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*TINY, "--set", "epochs=3", "--set", "ema_horizon=0", "--name", "raw")
    output = " ".join(capsys.readouterr().out.split())
    assert "validation 0." in output
    assert "EMA" not in output
    rows = read_metrics(tmp_path / "raw" / "metrics.jsonl")
    assert [row.ema_val_accuracy for row in rows] == [None] * 3


def test_any_schedule_and_augmentation(run, tmp_path: Path) -> None:
    fields = {
        "schedule": "plateau",
        "plateau_patience": 1,
        "plateau_factor": 0.5,
        "augmentation": "albumentations",
        "epochs": 12,
        "max_lr": 4.0,  # so high that the loss does not fall in every epoch
    }
    run(*TINY, *(f"--set={name}={value}" for name, value in fields.items()), "--name", "plateau")
    carrier = torch.optim.SGD([torch.zeros(1)], lr=4.0)
    reference = ReduceLROnPlateau(carrier, factor=0.5, patience=1, min_lr=0.04)
    for row in read_metrics(tmp_path / "plateau" / "metrics.jsonl"):
        assert row.lr == carrier.param_groups[0]["lr"]
        assert row.val_loss is not None
        reference.step(row.val_loss)
    assert row.lr < 4.0
