"""Single trials: run, interrupted, resumed."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tune_s11.cli import train
from tune_s11.data import load_dataset
from tune_s11.hardware import Hardware
from tune_s11.results import load_search
from tune_s11.results.runs import load_run
from tune_s11.results.tested_epochs import read_test_curve
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
    assert Hardware(**record["hardware"]) == Hardware(device="cpu", precision="fp32", threads=1)

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
    printed = capsys.readouterr()
    assert f"run: {tmp_path / 'cut'}" in printed.out.splitlines()
    resume = f"python -m tune_s11.train --resume cut --storage {tmp_path}"
    assert printed.err == f"interrupted; resume with: {resume}\n"
    monkeypatch.setattr(Trainer, "run_epoch", run_epoch)
    run("--resume", "cut")
    assert without_times(read_metrics(tmp_path / "cut" / "metrics.jsonl")) == without_times(whole)


def test_a_run_with_a_test_leaves_a_winners_page(run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(*TINY, "--set", "max_lr=0.3", "--set", "epochs=3", "--name", "tested", "--test", "--target-line", "0.2")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "trains on all 1,437 training images and is tested on 360 images after each epoch; "
        "nothing is chosen by these tests"
    )
    assert [line.split()[1] for line in lines if line.startswith("epoch ")] == ["1/3", "2/3", "3/3"]
    folder = tmp_path / "tested"
    tested = [json.loads(line) for line in (folder / "test_curve.jsonl").read_text().splitlines()]
    last, scores = tested[-1], json.loads((folder / "scores.json").read_text())
    assert (last["test_accuracy"], last["ema_test_accuracy"]) == (scores["raw"], scores["ema"])
    assert f"  test {scores['raw']:.4f}, EMA weights {scores['ema']:.4f}" in "\n".join(lines)
    assert all(epoch.val_accuracy is None for epoch in read_metrics(folder / "metrics.jsonl"))
    first = next((row["epoch"] for row in tested if row["ema_test_accuracy"] >= 0.2), None)
    reached = "not reached" if first is None else f"first reached in epoch {first}"
    assert lines[-5:] == [
        "tested: 3 of 3 epochs",
        f"test accuracy: {scores['ema']:.4f} after epoch 3 (EMA weights), raw weights {scores['raw']:.4f}; "
        "nothing was chosen by it",
        f"target 0.2, test accuracy of the EMA weights: {reached}",
        f"report: {folder}/report/index.html",
        f"next: python -m tune_s11.report best tested --storage {tmp_path} --open",
    ]
    pictures = {path.stem for path in (folder / "report").glob("*.png")}
    assert {"schedule", "test_curve", "test_changes", "confusion", "reliability", "heat_maps"} <= pictures


def test_a_tested_run_without_an_ema_speaks_of_its_raw_weights(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tune_s11.report.write_report", lambda result, **_: result.path)  # it takes seconds
    plateau = ("--set", "schedule=plateau", "--set", "plateau_patience=1")
    run(*TINY, *plateau, "--set", "ema_horizon=0", "--name", "raw", "--test", "--target-line", "1")
    lines = capsys.readouterr().out.splitlines()
    assert "schedule plateau follows the training loss: no image is held out for validation" in lines
    raw = json.loads((tmp_path / "raw" / "scores.json").read_text())["raw"]
    epochs = len(read_test_curve(tmp_path / "raw" / "test_curve.jsonl"))
    assert f"test accuracy: {raw:.4f} after epoch {epochs} (raw weights); nothing was chosen by it" in lines
    assert "target 1, test accuracy of the raw weights: not reached" in lines
    assert not any("EMA" in line for line in lines)


def test_images_without_test_images_are_held_out_to_test_on(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "images" / "train" / name).mkdir(parents=True)
        for number in range(20):
            pixels = np.full((8, 8, 3), number, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / "train" / name / f"{number}.png")
    for stage in ("_fit_with_progress", "_finish"):
        monkeypatch.setattr(train, stage, lambda *_: None)
    run("--test", "--data-dir", str(tmp_path / "images"), "--set", "batch_size=8", "--set", "width=2", "--name", "own")
    assert "trains on all 32 training images and is tested on 8 images after" in capsys.readouterr().out


def test_a_run_with_a_test_is_resumed_as_one(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "_finish", lambda *_: None)  # its page takes seconds
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", 0.0)
    run(*TINY, "--set", "epochs=3", "--name", "whole", "--test")
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for name in ("checkpoint.pt", "scores.json", "test_logits.npz"):
        (tmp_path / "cut" / name).unlink()
    run("--resume", "cut")
    for name in ("test_curve.jsonl", "scores.json"):
        assert (tmp_path / "cut" / name).read_text() == (tmp_path / "whole" / name).read_text()


def test_a_trials_recipe_is_trained_on_all_images_and_tested(
    search_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tune_s11.report.write_report", lambda result, **_: result.path)  # it takes seconds
    space = search_path / "search.yaml"
    space.write_text(space.read_text().replace("val_fraction: 0.1", "val_fraction: 0.25"))  # 2 are too few to hold out
    arguments = ["--trial", "own/t0002", "--name", "again", "--storage", str(search_path.parent), "--test"]
    monkeypatch.setattr("sys.argv", ["train", *arguments])
    with pytest.raises(SystemExit) as exit:
        train.main()
    assert exit.value.code == 2
    assert "--trial own/t0002: started on other images" in capsys.readouterr().err
    manifest = json.loads((search_path / "manifest.json").read_text())
    images = load_dataset(load_search("own", search_path.parent).config.recipe)
    manifest["data"]["fingerprint"] = images.fingerprint
    (search_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SystemExit) as exit:
        train.main()
    assert exit.value.code == 0
    assert "trains on all 24 training images and is tested on 36 images" in capsys.readouterr().out
    again = load_run(search_path.parent / "again", "again")
    (trial,) = (trial for trial in load_search("own", search_path.parent).trials if trial.name == "t0002")
    assert (again.run.recipe, again.run.seed) == (trial.recipe, trial.seed)
    assert len(read_test_curve(again.folder.test_curve)) == 6


@pytest.mark.parametrize("begun", [True, False])
def test_a_trial_that_is_not_there_is_refused(
    search_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], begun: bool
) -> None:
    if not begun:
        shutil.rmtree(search_path / "trials")
    monkeypatch.setattr("sys.argv", ["train", "--trial", "own/t0099", "--storage", str(search_path.parent)])
    with pytest.raises(SystemExit) as exit:
        train.main()
    assert exit.value.code == 2
    has = "t0000 to t0005" if begun else "none yet"
    assert capsys.readouterr().err == f"error: --trial own/t0099: {search_path} has no such trial; it has {has}\n"


def test_a_trial_whose_images_nobody_recorded_is_refused(
    search_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = search_path / "manifest.json"
    manifest.unlink()
    monkeypatch.setattr("sys.argv", ["train", "--trial", "own/t0000", "--storage", str(search_path.parent)])
    with pytest.raises(SystemExit) as exit:
        train.main()
    assert exit.value.code == 2
    lost = f"{manifest} is missing or damaged; it must name the images"
    assert capsys.readouterr().err == f"error: --trial own/t0000: {lost}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--space", "quick"], "max_lr 0.4 is the recipe's own value: the space leaves this to the LR range test, "),
        (
            ["--space", "seed", "--set=dataset=digits"],
            "max_lr 0.4 is the recipe's own value, as is min_lr_fraction 0.01: the space leaves this to the LR range "
            "test, ",
        ),
        (["--space", "wide", "--set=dataset=digits"], "max_lr 0.4 is the recipe's own value: the space searches it; "),
        (["--space", "quick", "--set=max_lr=0.3"], ""),
    ],
)
def test_a_max_lr_that_nobody_set_is_named(
    run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    monkeypatch.setattr(train, "_fit_with_progress", lambda *_: None)
    run(*arguments, "--set=width=4", "--name", "a")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("max_lr")]
    assert [line.startswith(says) for line in lines] == ([True] if says else [])
    if "range test" in says:
        typed = " ".join(arguments).replace("=", " ", 1)
        again = f"find rates with: tune-s11 lr {typed} --set width=4, and set them with, for example: --set max_lr=LR"
        assert again in lines[0]


def test_lines_are_whole_in_a_log_file(
    run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    run(*TINY, "--set", "epochs=3", "--name", "a")
    lines = capsys.readouterr().out.splitlines()
    assert "" not in lines
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert len(epochs) == 3
    assert all(line.endswith(" images/s") for line in epochs)


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


def test_a_run_on_other_images_is_not_resumed(run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(*TINY, "--name", "a")
    record = tmp_path / "a" / "run.json"
    plain = json.loads(record.read_text())
    plain["manifest"]["data"]["fingerprint"] = "another"
    record.write_text(json.dumps(plain))
    with pytest.raises(AssertionError, match="assert 2 == 0"):
        run("--resume", "a")
    assert "error: --resume a: started on other images (fingerprint another, now " in capsys.readouterr().err
