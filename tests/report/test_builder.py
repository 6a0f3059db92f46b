"""What is missing or damaged is named with its reason, and takes nothing else with it."""

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from tests.report.helpers import (
    ALL,
    HEAT_MAPS,
    OF_RANGE_TEST,
    OF_REFIT,
    OF_TEST_IMAGES,
    SEED_0,
    TEST_CURVE,
    TESTED,
    compose_run,
    compose_search,
    edit,
)
from tune_s11.training.checkpoint import load_checkpoint, save_checkpoint


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def wider_network(path: Path) -> None:
    state = load_checkpoint(path)
    state["average"]["linear.weight"] = torch.zeros(3, 99)
    save_checkpoint(path, state)


def infinite_logits(path: Path) -> None:
    np.savez(path, labels=np.zeros(2, np.int64), ema=np.full((2, 3), np.inf), raw=np.zeros((2, 3)))


def other_labels(path: Path) -> None:
    np.savez(path, labels=np.arange(36) % 3, ema=np.eye(3)[np.arange(36) // 12], raw=np.zeros((36, 3)))


def no_correct_frog(path: Path) -> None:
    labels = np.repeat(np.arange(3), 12)
    np.savez(path, labels=labels, ema=10 * np.eye(3)[np.minimum(labels, 1)], raw=np.zeros((36, 3)))


def all_wrong(path: Path) -> None:
    labels = np.repeat(np.arange(3), 12)
    np.savez(path, labels=labels, ema=10 * np.eye(3)[(labels + 1) % 3], raw=np.zeros((36, 3)))


def four_classes(path: Path) -> None:
    np.savez(path, labels=np.zeros(36, np.int64), ema=np.zeros((36, 4)), raw=np.zeros((36, 4)))


def labels_of_more_classes(path: Path) -> None:
    np.savez(path, labels=np.arange(36), ema=np.zeros((36, 3)), raw=np.zeros((36, 3)))


def no_images(path: Path) -> None:
    np.savez(path, labels=np.zeros(0, np.int64), ema=np.zeros((0, 3)), raw=np.zeros((0, 3)))


def code_in_it(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(print))
        archive.writestr("archive/version", "3")


def lines_without(path: Path, *epochs: int) -> None:
    lines = [line for line in path.read_text().splitlines() if json.loads(line)["epoch"] not in epochs]
    path.write_text("\n".join(lines) + "\n")


def no_mistakes(path: Path) -> None:
    labels = np.repeat(np.arange(3), 12)
    np.savez(path, labels=labels, ema=10 * np.eye(3)[labels], raw=np.zeros((36, 3)))


@pytest.mark.parametrize(
    ("file", "damage", "what", "why", "lost"),
    [
        ("lr_range.json", Path.unlink, "the range test", "no such file", OF_RANGE_TEST),
        ("lr_range.json", cut_in_half, "the range test", "holds no range test", OF_RANGE_TEST),
        ("lr_range.json", lambda path: path.write_text("[]"), "the range test", "holds no range test", OF_RANGE_TEST),
        ("manifest.json", cut_in_half, "the provenance", "missing or damaged", set()),
        ("best", shutil.rmtree, "the test accuracy", "the winner, t0002, is not refit yet", OF_REFIT),
        ("best/metrics.json", cut_in_half, "the test accuracy", "metrics.json is damaged", OF_REFIT),
        (
            "best/metrics.json",
            lambda path: edit(path, lambda plain: plain["test_accuracy_raw"].pop("sd")),
            "the test accuracy",
            "is damaged",
            OF_REFIT,
        ),
        (
            "best/metrics.json",
            lambda path: edit(path, lambda plain: plain.update(trial="t0000")),
            "the test accuracy",
            "best/ holds t0000, which t0002 has since outperformed",
            OF_REFIT,
        ),
        (f"{SEED_0}/test_logits.npz", Path.unlink, "the errors on", "no such file", OF_TEST_IMAGES),
        (f"{SEED_0}/test_logits.npz", cut_in_half, "the errors on", "cannot be read", OF_TEST_IMAGES),
        (f"{SEED_0}/test_logits.npz", infinite_logits, "the errors on", "no finite logits", OF_TEST_IMAGES),
        (f"{SEED_0}/test_logits.npz", other_labels, "what the network looks at", "are not those", HEAT_MAPS),
        (f"{SEED_0}/test_logits.npz", no_mistakes, "what the network looks at", "every test image", {"heat_maps"}),
        (f"{SEED_0}/test_logits.npz", four_classes, "the errors on", "of 4 classes; the data has 3", OF_TEST_IMAGES),
        (f"{SEED_0}/test_logits.npz", labels_of_more_classes, "the errors on", "outside the 3", OF_TEST_IMAGES),
        (f"{SEED_0}/test_logits.npz", no_images, "the errors on", "no finite logits", OF_TEST_IMAGES),
        (f"{SEED_0}/test_logits.npz", no_correct_frog, "what the network looks at in frog", "no test image", set()),
        (
            f"{SEED_0}/test_logits.npz",
            all_wrong,
            "what the network looks at in <b>cat, dog & co, frog",
            "no test image",
            {"heat_maps_correct"},
        ),
        (f"{SEED_0}/checkpoint.pt", code_in_it, "what the network looks at", "cannot be read", HEAT_MAPS),
        (f"{SEED_0}/test_curve.jsonl", Path.unlink, "the test curve", "no such file", TEST_CURVE),
        (f"{SEED_0}/metrics.jsonl", Path.unlink, "the test curve", "no such file", TEST_CURVE),
        (
            f"{SEED_0}/test_curve.jsonl",
            lambda path: path.write_text('{"epoch": 1, "test_loss": "low"}'),
            "the test curve",
            "is damaged",
            TEST_CURVE,
        ),
        (
            f"{SEED_0}/test_curve.jsonl",
            lambda path: lines_without(path, 1, 4),
            "a part of the test curve",
            "lacks epoch 1, 4",
            set(),
        ),
        (f"{SEED_0}/checkpoint.pt", Path.unlink, "what the network looks at", "no such checkpoint", HEAT_MAPS),
        (f"{SEED_0}/checkpoint.pt", cut_in_half, "what the network looks at", "cannot be read", HEAT_MAPS),
        (f"{SEED_0}/checkpoint.pt", wider_network, "what the network looks at", "holds no EMA weights", HEAT_MAPS),
    ],
)
def test_damage(
    search_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    damage: Callable[[Path], object],
    what: str,
    why: str,
    lost: set[str],
) -> None:
    # Computed they are; their sheets of a hundred axes are the same in most cases, and take a second each.
    monkeypatch.setattr("tune_s11.report.figures.draw_heat_maps", lambda *_: Figure())
    damage(search_path / file)
    report = compose_search(search_path)
    (gap,) = report.numbers["not_shown"]
    assert gap["what"].startswith(what)
    assert why in gap["why"]
    assert set(report.figures) == ALL - lost
    assert ("resume" in report.numbers["commands"]) == (lost == OF_REFIT)


def test_search_that_has_only_begun(search_path: Path) -> None:
    for name in ("trials", "best"):
        shutil.rmtree(search_path / name)
    for name in ("lr_range.json", "manifest.json"):
        (search_path / name).unlink()
    report = compose_search(search_path)
    assert len(report.numbers["not_shown"]) == 4
    assert report.figures == {}


@pytest.mark.parametrize("file", ["test_curve.jsonl", "test_logits.npz", "scores.json", "checkpoint.pt"])
def test_damage_takes_nothing_else_with_it(tested_path: Path, file: str) -> None:
    (tested_path / file).write_bytes(b"damaged")
    report, _ = compose_run(tested_path)
    lost = {
        "test_curve.jsonl": {"test_curve", "test_changes"},
        "test_logits.npz": OF_TEST_IMAGES,
        "scores.json": set(),
        "checkpoint.pt": {"heat_maps", "heat_maps_correct"},
    }
    assert set(report.figures) == TESTED - lost[file]
    assert len(report.numbers["not_shown"]) == 1
