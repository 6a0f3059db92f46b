"""An epoch's metrics, and the folder of a run."""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from tune_s11.training.metrics import SCORE, EpochMetrics, RunFolder, metrics_of, read_metrics, write_metrics

FIRST = EpochMetrics(
    epoch=1,
    lr=0.25,
    train_loss=2.5,
    train_accuracy=0.25,
    val_loss=2.25,
    val_accuracy=0.375,
    ema_val_loss=2.0,
    ema_val_accuracy=0.5,
    seconds=1.5,
    images_per_second=1000.0,
    diverged=False,
)
DIVERGED = replace(
    FIRST,
    epoch=2,
    train_loss=None,
    train_accuracy=0.0,
    val_loss=None,
    val_accuracy=0.0,
    ema_val_loss=None,
    ema_val_accuracy=0.0,
    diverged=True,
)


def test_the_ema_weights_accuracy_ranks() -> None:
    assert SCORE == "ema_val_accuracy"
    assert FIRST.score == getattr(FIRST, SCORE) == 0.5
    assert DIVERGED.score == 0.0


def test_a_refit_has_no_score() -> None:
    with pytest.raises(AssertionError, match="validates nothing"):
        _ = replace(FIRST, val_accuracy=None, ema_val_accuracy=None).score


def test_without_an_ema_the_raw_weights_rank() -> None:
    assert replace(FIRST, ema_val_accuracy=None).score == FIRST.val_accuracy != FIRST.score


def test_what_is_written_is_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.epochs() == []
    write_metrics(folder.metrics, [FIRST, DIVERGED])
    assert folder.epochs() == read_metrics(folder.metrics) == [FIRST, DIVERGED]


def test_a_line_is_a_format(tmp_path: Path) -> None:
    write_metrics(tmp_path / "metrics.jsonl", [FIRST])
    assert (tmp_path / "metrics.jsonl").read_text() == (
        '{"epoch": 1, "lr": 0.25, "train_loss": 2.5, "train_accuracy": 0.25, "val_loss": 2.25, "val_accuracy": 0.375, '
        '"ema_val_loss": 2.0, "ema_val_accuracy": 0.5, "seconds": 1.5, "images_per_second": 1000.0, '
        '"diverged": false}\n'
    )


def test_damaged_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write_metrics(path, [FIRST, DIVERGED])
    without = {name: value for name, value in asdict(FIRST).items() if name != "lr"}
    path.write_text(f"{json.dumps(without)}\n[]\n{path.read_text()[:-20]}")
    assert read_metrics(path) == [FIRST]


def test_metrics_from_plain_values() -> None:
    assert metrics_of(asdict(FIRST) | {"gpu": "0"}) == FIRST
    for field in fields(EpochMetrics):
        with pytest.raises(KeyError, match=field.name):
            metrics_of({name: value for name, value in asdict(FIRST).items() if name != field.name})
