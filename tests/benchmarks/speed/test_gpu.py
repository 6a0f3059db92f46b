"""The command for a GPU runs without one, as far as a CPU can."""

import json
import multiprocessing
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.speed.gpu import DRY, AugmentedAtOnce, app, build_trainer
from benchmarks.speed.noise import MEAN, STD
from tune_s11.data.augmentation import BatchedAugmentation
from tune_s11.hardware import Hardware
from tune_s11.training.trainer import Trainer

CPU = Hardware(device="cpu", precision="fp32", threads=1)


def test_a_dry_run_asks_each_question(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    done = CliRunner().invoke(app, ["--dry-run", "--rounds", "1", "--rows", str(rows)])
    assert done.exit_code == 0, done.output
    found = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [(row["question"], row["side"]) for row in found] == [
        ("compiling", "eager"),
        ("augmenting", "each step"),
        ("augmenting", "an epoch at once"),
        ("sharing", "1 process"),
        ("sharing", "2 processes"),
        ("sharing", "2 fused"),
    ]
    assert all(len(row["rates"]) == 1 and row["rates"][0] > 0 for row in found)
    for child in multiprocessing.active_children():  # they end with the side that they belong to
        child.join(timeout=60)
        assert child.exitcode == 0


def test_an_epoch_that_is_augmented_at_once_has_the_same_images_with_their_labels() -> None:
    found = []
    for kind in (AugmentedAtOnce, Trainer):
        trainer = build_trainer(2, DRY, CPU, kind)
        trainer.augment = BatchedAugmentation(MEAN, STD, pad=0, flip=False, cutout=0)
        images, labels = (torch.cat(each) for each in zip(*trainer.batches(0), strict=True))
        order = images[:, 0, 0, :3].sum(1).argsort()
        found.append((images[order], labels[order]))
    assert found[0][0].shape == (32, 3, 32, 32)
    assert all(torch.equal(once, each) for once, each in zip(*found, strict=True))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_what_can_be_done() -> None:
    done = CliRunner().invoke(app, [])
    assert "--dry-run" in str(done.exception)
