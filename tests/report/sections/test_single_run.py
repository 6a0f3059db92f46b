"""The page of a single run: the same as a winner's, as far as its files go."""

import html
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from tests.report.helpers import OF_TEST_IMAGES, TESTED, compose_run, edit
from tune_s11.report import write_report
from tune_s11.results import load_result
from tune_s11.training.metrics import EpochMetrics

VALIDATED = {"schedule", "curves", "changes"}


def first_lines(path: Path, count: int) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:count]))


def test_a_tested_run_has_what_a_winner_has(pristine_run: Path) -> None:
    index = write_report(load_result(str(pristine_run), pristine_run.parent))
    assert index == pristine_run / "report" / "index.html"
    assert {path.stem for path in index.parent.glob("*.png")} == TESTED
    numbers = json.loads(index.with_name("report.json").read_text())
    scores = json.loads((pristine_run / "scores.json").read_text())
    assert numbers["test"] == {"accuracy": scores["ema"], "accuracy_raw": scores["raw"]}
    assert numbers["test_curve"]["epochs"][-1]["ema_test_accuracy"] == scores["ema"]
    assert numbers["predicted"]["seed"] == 0
    assert numbers["balanced_accuracy"] == {"mean": pytest.approx(scores["ema"]), "sd": None, "n": 1}
    assert len(numbers["recall"]["by_class"]) == 3
    assert numbers["not_shown"] == []
    page = html.unescape(index.read_text())
    for shown in (
        f"{100 * scores['ema']:.2f}\u202f%",
        "6 of 6 epochs, seed 0",
        "Nothing is chosen by this curve; the accuracy reported is the last epoch's.",
        "does not reach the target, 90 %",
        "The run's schedule",
        "2026-01-02T03:04:05+00:00",
    ):
        assert shown in page
    body = page.partition("<body>")[2]
    for of_a_search in ("winner", "refit", "winning", "trial"):
        assert of_a_search not in body
    assert "<b>cat" not in index.read_text()


def without_ema(path: Path, *fields: str) -> None:
    """Takes the figures of the EMA out of a file of lines."""
    lines = [json.loads(line) | dict.fromkeys(fields) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_without_an_ema_the_raw_weights_are_reported(tested_path: Path, validated_path: Path) -> None:
    for path in (tested_path, validated_path):
        edit(path / "run.json", lambda plain: plain["recipe"].update(ema_horizon=0.0))
    without_ema(validated_path / "metrics.jsonl", "ema_val_loss", "ema_val_accuracy")
    without_ema(tested_path / "test_curve.jsonl", "ema_test_loss", "ema_test_accuracy")
    edit(tested_path / "scores.json", lambda plain: plain.update(ema=None))
    with np.load(tested_path / "test_logits.npz") as arrays:
        labels, raw = arrays["labels"], arrays["raw"]
    np.savez(tested_path / "test_logits.npz", labels=labels, raw=raw)
    accuracy = np.mean(raw.argmax(1) == labels)

    report, page = compose_run(tested_path, accuracy)
    assert report.numbers["not_shown"] == []
    assert report.numbers["test"] == {"accuracy": accuracy, "accuracy_raw": accuracy}
    assert report.numbers["target"]["test"] == 6
    assert report.numbers["balanced_accuracy"]["mean"] == pytest.approx(accuracy)
    assert f"{100 * accuracy:.2f}\u202f%</strong><small>test accuracy after the last epoch, raw weights" in page
    assert "EMA weights" not in page

    report, page = compose_run(validated_path, 0.9)
    assert report.numbers["run"]["validation_accuracy"] == pytest.approx(0.95 * 0.81)
    assert "validation accuracy after the last epoch, raw weights; not tested" in page
    assert "EMA weights" not in page


def test_a_run_of_before_is_drawn_as_far_as_its_files_go(validated_path: Path) -> None:
    report, page = compose_run(validated_path)
    assert set(report.figures) == VALIDATED
    (gap,) = report.numbers["not_shown"]
    assert "--test" in gap["why"]
    assert report.numbers["target"] is None
    assert "81.00\u202f%" in page
    assert "target" not in page
    assert compose_run(validated_path, 0.7)[0].numbers["target"] == {"line": 0.7, "validation": 4}


def test_an_interrupted_run_names_how_to_resume_it(tested_path: Path) -> None:
    first_lines(tested_path / "metrics.jsonl", 3)
    first_lines(tested_path / "test_curve.jsonl", 3)
    for name in ("scores.json", "test_logits.npz"):
        (tested_path / name).unlink()
    report, page = compose_run(tested_path)
    assert set(report.figures) == TESTED - OF_TEST_IMAGES
    assert {"what": "the test accuracy", "why": "the run has not finished"} in report.numbers["not_shown"]
    assert "3 of 6 epochs" in page
    assert f"python -m tune_s11.train --resume tested --storage {tested_path.parent}" in page


def test_a_run_that_has_only_started(tested_path: Path, validated_path: Path) -> None:
    for path in (tested_path, validated_path):
        (path / "metrics.jsonl").unlink()
        report, page = compose_run(path)
        assert report.figures == {}
        assert report.numbers["not_shown"] == [{"what": "the run", "why": "it has not finished an epoch yet"}]
        assert "No epoch is complete yet." in page
        assert "--resume" in page


def test_a_run_of_one_epoch_that_diverged(validated_path: Path) -> None:
    epoch = EpochMetrics(1, 9.0, None, 0.0, None, 0.0, None, 0.0, 1.0, 100.0, True)
    (validated_path / "metrics.jsonl").write_text(json.dumps(asdict(epoch)) + "\n")
    report, page = compose_run(validated_path, 0.9)
    assert set(report.figures) == VALIDATED - {"changes"}
    assert "1 of 6 epochs, diverged" in page
    assert "--resume" not in page  # nothing is left to train
