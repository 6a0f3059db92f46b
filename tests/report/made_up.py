"""A search folder as the program writes it, small and made up, but for a real network and real images."""

import itertools
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tune_s11.config import Recipe, validated
from tune_s11.hardware import Hardware
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.cycles import Cycle, Outcome
from tune_s11.lr_range.measuring import ramp
from tune_s11.lr_range.rule import Answer
from tune_s11.models import S11ResNet
from tune_s11.results import Span, State, TrialResult
from tune_s11.results.lr_range import RangeTest
from tune_s11.search_space import parse_space
from tune_s11.training.checkpoint import save_checkpoint
from tune_s11.training.metrics import EpochMetrics

CLASSES = ["<b>cat", "dog & co", "frog"]
TEST_IMAGES = 12  # of each class
EPOCHS = 6
HARDWARE = {"device": "cpu", "precision": "fp32", "threads": 1}


def write_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("test", TEST_IMAGES)):
        for name in CLASSES:
            (folder / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{index:02d}.png")


def rows(scores: list[float]) -> list[EpochMetrics]:
    """Epochs with these scores; a score of 0 has diverged."""
    made = []
    for epoch, score in enumerate(scores, start=1):
        diverged = score == 0
        loss = None if diverged else 2.0 / epoch
        made.append(
            EpochMetrics(
                epoch, 0.1 / epoch, loss, 0.9 * score, loss, 0.95 * score, loss, score, 1.5, 1000.0 + epoch, diverged
            )
        )
    return made


def reports(scores: list[float], done: bool, pid: int, begin: int) -> list[dict[str, Any]]:
    """What Ray writes, a report for two epochs at most, every four seconds: three of training, one of nothing."""
    made, epochs = [], [asdict(row) for row in rows(scores)]
    for first in range(0, len(epochs), 2):
        part = epochs[first : first + 2]
        made.append(
            {
                "epoch": part[-1]["epoch"],
                "ema_val_accuracy": part[-1]["ema_val_accuracy"],
                "epochs": part,
                "hardware": HARDWARE,
                "gpu": None,
                "done": done and part[-1] is epochs[-1],
                "timestamp": 1_700_000_000 + begin + 2 * first + 4,
                "time_this_iter_s": 1.5 * len(part),
                "pid": pid,
                "hostname": "vm",
            }
        )
    return made


def write_trial(
    folder: Path, number: int, momentum: float, scores: list[float], done: bool, pid: int = 101, begin: int = 0
) -> None:
    folder = folder / f"t{number:04d}"
    folder.mkdir(parents=True)
    params = {"max_lr": 0.2 + 0.1 * number, "momentum": momentum}
    chosen = {"number": number, "folder": folder.name, "params": params, "seed": 40 + number, "checkpoint": None}
    (folder / "params.json").write_text(json.dumps(chosen))
    if scores:
        lines = (json.dumps(report) + "\n" for report in reports(scores, done, pid, begin))
        (folder / "result.json").write_text("".join(lines))
    else:
        (folder / "error.txt").write_text("Traceback (most recent call last):\nOSError: <disk> full\n")


def write_range_test(path: Path) -> None:
    lrs = ramp("exponential", 1e-4, 10.0, 100)
    place = np.log10(lrs)
    loss = 2.4 - 0.7 / (1 + np.exp(-3 * (place + 1.5))) + 3 * np.maximum(0.0, place - 0.2) ** 2
    losses = np.stack([loss, loss + 0.05, loss + 0.1])
    losses[1, 96:] = np.inf
    accuracies = {0.001: 0.2, 0.01: 0.5, 0.1: 0.7, 1.0: 0.65, 0.2154: 0.85, 0.4642: 0.84, 0.04642: 0.8}
    cycles = {
        Cycle(1 if rate in (0.001, 0.01, 0.1, 1.0) else 4, rate, 0): Outcome(accuracy, 1 - accuracy, 1)
        for rate, accuracy in accuracies.items()
    }
    answer = Answer(0.02154, 1.0, 0.1468, unsure=False, reasons=dict.fromkeys(("low", "high", "suggestion"), "made up"))
    cycles[Cycle(1, 10.0, 0)] = Outcome(None, None, 1)
    RangeTest.of(LRCurve(lrs, losses), cycles, answer, min_lr_fraction=0.01).write(path)


def write_refit(folder: Path, seed: int) -> dict[str, Any]:
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    model = S11ResNet(width=3, num_classes=len(CLASSES))
    state = model.state_dict()
    save_checkpoint(
        folder / "checkpoint.pt",
        {"epoch": EPOCHS, "model": state, "average": state, "optimizer": {}, "schedule": {}},
    )
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(CLASSES)), TEST_IMAGES)
    raw, ema = (rng.normal(size=(len(labels), len(CLASSES))).astype(np.float32) for _ in range(2))
    np.savez_compressed(folder / "test_logits.npz", labels=labels, raw=raw, ema=ema)
    scores = {"seed": seed, "hardware": HARDWARE, "diverged": False}
    scores |= {name: float(np.mean(logits.argmax(1) == labels)) for name, logits in (("raw", raw), ("ema", ema))}
    (folder / "scores.json").write_text(json.dumps(scores))
    write_curves(folder, scores)
    return scores


def write_curves(folder: Path, scores: dict[str, Any]) -> None:
    """A refit's training and, of the first one, its test curve, which ends at its scores."""
    unseen = dict.fromkeys(("val_loss", "val_accuracy", "ema_val_loss", "ema_val_accuracy"))
    trained = [asdict(row) | unseen for row in rows([0.3, 0.5, 0.6, 0.7, 0.8, 0.9])]
    tested = [
        {
            "epoch": epoch,
            "test_loss": 2.5 / epoch,
            "test_accuracy": scores["raw"] * epoch / EPOCHS,
            "ema_test_loss": 2.2 / epoch,
            "ema_test_accuracy": scores["ema"] * epoch / EPOCHS,
        }
        for epoch in range(1, EPOCHS + 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in trained))
    if scores["seed"] == 0:
        (folder / "test_curve.jsonl").write_text("".join(json.dumps(row) + "\n" for row in tested))


def summary(values: list[float]) -> dict[str, Any]:
    return {"mean": float(np.mean(values)), "sd": float(np.std(values, ddof=1)), "n": len(values)}


def write_search(path: Path, images: Path) -> None:
    path.mkdir(parents=True)
    parts = {
        "recipe": {
            "dataset": "folder",
            "data_dir": str(images),
            "width": 2,
            "epochs": EPOCHS,
            "peak_epoch": 2.0,
            "batch_size": 4,
        },
        "space": {"max_lr": "range_test", "momentum": {"uniform": [0.8, 0.98]}},
        "search": {"samples": 6, "grace": 2, "factor": 2.0, "finalists": 2, "refit_seeds": 2},
        "refit": {"width": 3},
    }
    config = parse_space(parts, "")
    (path / "search.yaml").write_text(config.to_yaml())
    manifest = {
        "created": "2026-01-02T03:04:05+00:00",
        "command": "run_search.py --space own",
        "packages": {"torch": "2.15.0"},
        "data": {"fingerprint": "0123456789abcdef", "train_images": 24, "classes": CLASSES, "notes": []},
        "search": config.plain(),
    }
    (path / "manifest.json").write_text(json.dumps(manifest))
    write_range_test(path / "lr_range.json")
    trials = path / "trials"
    write_trial(trials, 0, 0.90, [0.2, 0.5, 0.6, 0.7, 0.75, 0.81], done=True, pid=101, begin=0)
    write_trial(trials, 1, 0.85, [0.1, 0.4], done=True, pid=102, begin=0)
    write_trial(trials, 2, 0.95, [0.3, 0.6, 0.7, 0.8, 0.82, 0.84], done=True, pid=102, begin=5)
    write_trial(trials, 3, 0.98, [0.2, 0.0], done=True, pid=101, begin=13)
    write_trial(trials, 4, 0.81, [0.25, 0.55, 0.65], done=False, pid=101, begin=18)
    write_trial(trials, 5, 0.82, [], done=False)
    recipe = {**parts["recipe"], "max_lr": 0.4, "momentum": 0.95, "width": 3}
    winner = {"trial": "t0002", "recipe": validated(Recipe, recipe, "", strict=True).model_dump(mode="json")}
    verdict = {
        "seeds": [7, 8],
        "trials": {
            "t0002": summary([0.83, 0.82]) | {"scores": [0.83, 0.82]},
            "t0000": summary([0.80, 0.82]) | {"scores": [0.80, 0.82]},
        },
        "winner": "t0002",
        "runner_up": "t0000",
        "margin": {"mean": 0.015, "low": -0.1756, "high": 0.2056, "confidence": 0.95},
        "tied": True,
    }
    (path / "finalists.json").write_text(json.dumps(verdict))
    (path / "audit.json").write_text(json.dumps({"one_in": 8, "decisions": 2, "trials": {"t0000": 4}}))
    best = path / "best"
    runs = [write_refit(best / f"seed-{seed}", seed) for seed in (0, 1)]
    (best / "winner.json").write_text(json.dumps(winner))
    metrics = {
        "test_accuracy": summary([run["ema"] for run in runs]),
        "test_accuracy_raw": summary([run["raw"] for run in runs]),
        "runs": runs,
        "validation_accuracy": 0.84,
    }
    (best / "metrics.json").write_text(json.dumps(metrics | winner))


def write_run(path: Path, images: Path) -> None:
    """A single run with ``--test``: what a refit leaves, and its record."""
    write_refit(path, seed=0)
    recipe = Recipe(
        dataset="folder", data_dir=str(images), width=3, epochs=EPOCHS, peak_epoch=2, batch_size=4
    ).model_dump(mode="json")
    record = {
        "recipe": recipe,
        "seed": 0,
        "split_seed": 0,
        "hardware": HARDWARE,
        "options": {"test": True, "target_line": 0.9},
        "manifest": {"created": "2026-01-02T03:04:05+00:00", "data": {"classes": CLASSES}},
    }
    (path / "run.json").write_text(json.dumps(record))


def write_validated_run(path: Path, images: Path) -> None:
    """A single run as versions before ``--test`` left it."""
    write_run(path, images)
    for name in ("test_curve.jsonl", "test_logits.npz", "scores.json"):
        (path / name).unlink()
    record = json.loads((path / "run.json").read_text())
    del record["options"]
    (path / "run.json").write_text(json.dumps(record))
    lines = [json.dumps(asdict(row)) for row in rows([0.2, 0.5, 0.6, 0.7, 0.75, 0.81])]
    (path / "metrics.jsonl").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_images(folder)
    return folder


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """A finished search; not to be changed."""
    path = tmp_path_factory.mktemp("results") / "own"
    write_search(path, images)
    return path


@pytest.fixture
def search_path(pristine: Path, tmp_path: Path) -> Path:
    """A finished search of the test's own."""
    return Path(shutil.copytree(pristine, tmp_path / "results" / "own"))


@pytest.fixture(scope="session")
def pristine_run(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Path:
    """A finished single run with ``--test``; not to be changed."""
    path = tmp_path_factory.mktemp("runs") / "tested"
    write_run(path, images)
    return path


@pytest.fixture
def tested_path(pristine_run: Path, tmp_path: Path) -> Path:
    """A finished single run with ``--test``, of the test's own."""
    return Path(shutil.copytree(pristine_run, tmp_path / "results" / "tested"))


@pytest.fixture
def validated_path(images: Path, tmp_path: Path) -> Path:
    """A finished single run of before ``--test``, of the test's own."""
    write_validated_run(tmp_path / "results" / "validated", images)
    return tmp_path / "results" / "validated"


@pytest.fixture(name="write_trial")
def trial_writer() -> Callable[..., None]:
    """:func:`write_trial`, for tests that make a search of their own."""
    return write_trial


@pytest.fixture(scope="session")
def make_trial() -> Callable[..., TrialResult]:
    """Makes a trial of any kind: each of ``spans`` is worker, begin, end and the number of epochs."""

    def make(
        number: int,
        scores: Sequence[float] = (),
        state: State = "complete",
        params: dict[str, Any] | None = None,
        spans: Sequence[tuple[str, float, float, int]] = (),
        hardware: Hardware | None = None,
    ) -> TrialResult:
        made = rows(list(scores))
        left, dated = iter(made), []
        for worker, begin, end, count in spans:
            gpu = worker if hardware and hardware.device == "cuda" else None
            dated.append(Span(worker, gpu, begin, end, tuple(itertools.islice(left, count))))
        return TrialResult(
            number=number,
            params=params or {},
            recipe=Recipe(epochs=EPOCHS),
            seed=number,
            hardware=hardware or Hardware.model_validate(HARDWARE),
            rows=made,
            state=state,
            spans=tuple(dated),
        )

    return make
