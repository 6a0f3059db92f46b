"""Training in a folder: what it leaves there, and what it resumes from."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tune_s11.config import Recipe
from tune_s11.data import Images
from tune_s11.hardware import Hardware
from tune_s11.training import fitting
from tune_s11.training.checkpoint import CheckpointError, load_checkpoint
from tune_s11.training.fitting import fit
from tune_s11.training.metrics import EpochMetrics, RunFolder, read_metrics
from tune_s11.training.trainer import Trainer, TrainingData

RECIPE = Recipe(image_size=8, width=2, epochs=4, peak_epoch=1.5, batch_size=16, pad=1, cutout=2)


def fresh() -> Trainer:
    """A trainer of two steps an epoch."""
    generator = np.random.default_rng(0)
    train, validation = (
        Images(generator.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8), np.arange(count) % 4) for count in (32, 16)
    )
    data = TrainingData(train, validation, 4, (0.5,) * 3, (0.2,) * 3)
    return Trainer(RECIPE, data, Hardware(device="cpu", precision="fp32", threads=1), seed=0)


def without_times(epochs: list[EpochMetrics]) -> list[dict[str, Any]]:
    return [asdict(epoch) | {"seconds": 0.0, "images_per_second": 0.0} for epoch in epochs]


def test_a_run_leaves_a_line_an_epoch_and_its_last_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "not" / "there")
    starts, reported = [], []
    epochs = fit(fresh(), folder, lambda: starts.append(folder.path.exists()), reported.append)
    assert starts == [True]
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4]
    assert epochs == reported == folder.epochs()
    assert load_checkpoint(folder.checkpoint)["epoch"] == 4
    assert sorted(file.name for file in folder.path.iterdir()) == ["checkpoint.pt", "metrics.jsonl"]


@pytest.mark.parametrize("seconds", [0.0, 3600.0])
def test_an_interrupted_run_resumes_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """With a checkpoint after each epoch, and with none before the last one."""
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", seconds)
    whole = fit(fresh(), RunFolder(tmp_path / "whole"))

    def interrupt(metrics: EpochMetrics) -> None:
        if metrics.epoch == 3:
            raise KeyboardInterrupt

    folder, trainer, resumed_at = RunFolder(tmp_path / "interrupted"), fresh(), []
    with pytest.raises(KeyboardInterrupt):
        fit(trainer, folder, on_epoch=interrupt)
    assert len(folder.epochs()) == 3
    trainer = fresh()
    epochs = fit(trainer, folder, on_start=lambda: resumed_at.append(trainer.epoch))
    assert resumed_at == [0 if seconds else 3]
    assert without_times(epochs) == without_times(whole)
    assert epochs == folder.epochs()


@pytest.mark.parametrize("saved", [0, 2])
def test_epochs_after_the_checkpoint_are_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saved: int
) -> None:
    folder, save = RunFolder(tmp_path), fitting.save_checkpoint
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(
        fitting, "save_checkpoint", lambda path, state: save(path, state) if state["epoch"] <= saved else None
    )
    whole = fit(fresh(), folder)
    assert folder.checkpoint.exists() == bool(saved)
    trained: list[EpochMetrics] = []
    assert without_times(fit(fresh(), folder, on_epoch=trained.append)) == without_times(whole)
    assert [epoch.epoch for epoch in trained] == list(range(saved + 1, 5))
    assert [epoch.epoch for epoch in read_metrics(folder.metrics)] == [1, 2, 3, 4]


def test_a_finished_run_is_read_and_not_repeated(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    whole = fit(fresh(), folder)
    assert fit(fresh(), folder, on_epoch=lambda metrics: pytest.fail("trained again")) == whole


def test_a_checkpoint_is_read_without_the_trainers_device(tmp_path: Path) -> None:
    """A GPU that fails, or is missing, says nothing about the file."""
    whole, trainer = fit(fresh(), RunFolder(tmp_path)), fresh()
    trainer.hardware = trainer.hardware.model_copy(update={"device": "cuda"})
    assert fit(trainer, RunFolder(tmp_path)) == whole


def test_a_checkpoint_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    RunFolder(tmp_path).checkpoint.write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        fit(fresh(), RunFolder(tmp_path))
