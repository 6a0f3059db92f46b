"""Training with a test at the end: the test curve changes nothing, and outlives a kill at any moment."""

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tune_s11.config import Recipe
from tune_s11.data import Images
from tune_s11.hardware import Hardware
from tune_s11.report.predictions import read_predictions
from tune_s11.results import tested_epochs
from tune_s11.results.folder import RefitFolder
from tune_s11.results.records import RefitScores, read_record
from tune_s11.results.tested_epochs import EpochTestMetrics, read_test_curve
from tune_s11.results.tested_training import fit_and_test
from tune_s11.training import fitting
from tune_s11.training.checkpoint import load_checkpoint
from tune_s11.training.metrics import EpochMetrics
from tune_s11.training.schedule import build_schedule
from tune_s11.training.trainer import Trainer, TrainingData

EPOCHS = 5
CPU = Hardware(device="cpu", precision="fp32", threads=1)


def images(count: int, seed: int) -> Images:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return Images(pixels, np.arange(count) % 3)


def refit(folder: Path, with_curve: bool = True, validation: Images | None = None, **changes: Any) -> RefitScores:
    small = {"image_size": 8, "width": 2, "epochs": EPOCHS, "peak_epoch": 2, "batch_size": 16, "pad": 1, "cutout": 2}
    data = TrainingData(images(80, seed=1), validation, 3, (0.5, 0.5, 0.5), (0.3, 0.3, 0.3))
    trainer = Trainer(Recipe(**{**small, **changes}), data, CPU, seed=3)
    return fit_and_test(trainer, images(50, seed=2), RefitFolder(folder), curve=with_curve)


def curve(folder: Path) -> list[EpochTestMetrics]:
    """Strictly read: every line must be whole."""
    lines = (folder / "test_curve.jsonl").read_text().splitlines()
    return [EpochTestMetrics(**json.loads(line)) for line in lines]


def trained(folder: Path) -> list[EpochMetrics]:
    """Its epochs, but for their times."""
    return [replace(row, seconds=0, images_per_second=0) for row in RefitFolder(folder).epochs()]


@pytest.fixture(autouse=True)
def checkpoint_after_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", 0.0)


def test_curve_ends_at_what_is_reported(tmp_path: Path) -> None:
    scores = refit(tmp_path)
    assert read_record(RefitScores, tmp_path / "scores.json") == scores
    assert (scores.seed, scores.hardware, scores.diverged) == (3, CPU, False)
    rows = curve(tmp_path)
    assert [row.epoch for row in rows] == list(range(1, EPOCHS + 1))
    with np.load(tmp_path / "test_logits.npz") as arrays:
        for weights, prefix in (("raw", ""), ("ema", "ema_")):
            loss = F.cross_entropy(torch.from_numpy(arrays[weights]), torch.from_numpy(arrays["labels"]))
            assert getattr(rows[-1], f"{prefix}test_loss") == float(loss)
            assert getattr(rows[-1], f"{prefix}test_accuracy") == getattr(scores, weights)
            assert getattr(scores, weights) == np.mean(arrays[weights].argmax(1) == arrays["labels"])


@pytest.mark.parametrize("schedule", ["one_cycle", "plateau"])
def test_training_sees_nothing_of_the_curve(tmp_path: Path, schedule: str) -> None:
    with_curve, without = tmp_path / "with", tmp_path / "without"
    assert refit(with_curve, schedule=schedule) == refit(without, with_curve=False, schedule=schedule)
    assert not (without / "test_curve.jsonl").exists()
    assert len(trained(with_curve)) == EPOCHS
    assert trained(with_curve) == trained(without)
    assert all(row.val_loss is None for row in trained(with_curve))
    kept, other = (load_checkpoint(folder / "checkpoint.pt") for folder in (with_curve, without))
    for part in ("model", "average"):
        assert all(torch.equal(kept[part][name], other[part][name]) for name in kept[part])
    assert kept["schedule"] == other["schedule"]


def test_a_plateau_follows_the_validation_images_that_its_refit_keeps(tmp_path: Path) -> None:
    fields = {"schedule": "plateau", "plateau_patience": 1, "plateau_factor": 0.5, "epochs": 12}
    refit(tmp_path, validation=images(30, seed=3), **fields)
    schedule = build_schedule(Recipe(**fields))
    for row in trained(tmp_path):
        assert row.lr == schedule.lr(row.epoch)
        assert row.val_loss is not None
        schedule.end_epoch(row.val_loss)
    assert row.lr < Recipe().max_lr
    assert len(curve(tmp_path)) == 12


def test_without_an_ema_the_raw_weights_are_tested_and_shipped(tmp_path: Path) -> None:
    scores = refit(tmp_path, ema_horizon=0.0)
    assert (scores.ema, scores.shipped) == (None, scores.raw)
    assert read_record(RefitScores, tmp_path / "scores.json") == scores
    rows = curve(tmp_path)
    assert rows == read_test_curve(tmp_path / "test_curve.jsonl")
    assert {(row.ema_test_loss, row.ema_test_accuracy) for row in rows} == {(None, None)}
    assert rows[-1].test_accuracy == scores.raw
    with np.load(tmp_path / "test_logits.npz") as arrays:
        assert set(arrays) == {"raw", "labels"}
        raw = arrays["raw"]
    assert np.array_equal(read_predictions(RefitFolder(tmp_path)).predicted, raw.argmax(1))


class Killed(BaseException):
    """As abrupt as a signal."""


@pytest.mark.parametrize("before_row", [1, 3, EPOCHS])
def test_epoch_whose_row_a_kill_left_out_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before_row: int
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    refit(whole)
    write = tested_epochs.write_lines

    def write_or_die(path: Path, objects: Iterable[dict[str, Any]]) -> None:
        rows = list(objects)
        if len(rows) == before_row:
            raise Killed
        write(path, rows)

    monkeypatch.setattr(tested_epochs, "write_lines", write_or_die)
    with pytest.raises(Killed):
        refit(killed)
    assert read_test_curve(killed / "test_curve.jsonl") == curve(whole)[: before_row - 1]
    monkeypatch.setattr(tested_epochs, "write_lines", write)
    refit(killed)
    assert curve(killed) == curve(whole)


def test_rows_past_the_checkpoint_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, behind = tmp_path / "whole", tmp_path / "behind"
    refit(whole)
    save = fitting.save_checkpoint

    def save_early(path: Path, state: dict[str, Any]) -> None:
        if state["epoch"] <= 2:
            save(path, state)

    monkeypatch.setattr(fitting, "save_checkpoint", save_early)
    refit(behind)
    file = behind / "test_curve.jsonl"
    stale = [replace(row, test_accuracy=1.0) if row.epoch > 2 else row for row in curve(behind)]
    file.write_text("".join(json.dumps(asdict(row)) + "\n" for row in stale) + '{"epoch": 6, "test')
    refit(behind)
    assert curve(behind) == curve(whole)


def test_diverged_epoch_is_a_row_that_any_json_reader_takes(tmp_path: Path) -> None:
    scores = refit(tmp_path, max_lr=1e30, min_lr_fraction=1.0)
    assert scores.diverged
    last = curve(tmp_path)[-1]
    assert last.test_loss is None
    assert last.test_accuracy == scores.raw
    assert "NaN" not in (tmp_path / "test_curve.jsonl").read_text()
