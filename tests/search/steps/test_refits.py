"""What becomes of refits of which some fail; whole searches are in test_session.py."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from tune_s11.data import Images
from tune_s11.hardware import Hardware
from tune_s11.results.folder import LAYOUT
from tune_s11.results.records import Refits, RefitScores, Winner, read_record
from tune_s11.search.context import Context
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.steps import refits
from tune_s11.search.steps.refits import refit_winner
from tune_s11.search.workers.cluster import Workers
from tune_s11.search.workers.executor import Executor
from tune_s11.search.workers.parts import Failed
from tune_s11.search_space import load_space
from tune_s11.storage.workspace import Local
from tune_s11.training.trainer import TrainingData

HARDWARE = Hardware(device="cpu", precision="fp32", threads=1)


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, results: list[Any]) -> str:
    """Refits that end so; returns what is printed."""
    printed = io.StringIO()
    config = load_space("quick").with_overrides({"search.refit_seeds": str(len(results))})
    context = Context(
        Local(folder, LAYOUT), config, Executor(Workers(2, 1, 0, 2), "fp32"), Console(file=printed, width=1000)
    )
    images = Images(np.zeros((4, 8, 8, 3), np.uint8), np.arange(4))
    data = TrainingData(images, None, 4, (0.5,) * 3, (0.2,) * 3)
    inputs: Any = SimpleNamespace(refit_data=lambda: data, dataset=SimpleNamespace(test=images))
    winner: Any = SimpleNamespace(name="t0001", recipe=config.recipe, score=0.9)
    monkeypatch.setattr(Executor, "run_in_folders", lambda *_: results)
    monkeypatch.setattr(refits, "ray", SimpleNamespace(put=lambda value: value))
    refit_winner(context, winner, winner.recipe, inputs)
    return printed.getvalue()


def scores(seed: int, accuracy: float) -> RefitScores:
    return RefitScores(seed=seed, hardware=HARDWARE, diverged=False, raw=accuracy, ema=accuracy)


def test_of_three_refits_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Failed("its worker reported nothing for 40 s and was killed (--stall-timeout)", "a traceback")
    said = run(tmp_path, monkeypatch, [scores(0, 0.8), failed, scores(2, 0.9)])
    assert f"refit from seed 1 failed: {failed.reason}\n" in said
    assert "refits: 2 of 3\n" in said
    assert "test accuracy: 0.8500 ± 0.0707 (n = 2, EMA weights)" in said
    recorded = read_record(Refits, tmp_path / "best" / "metrics.json")
    assert [run.seed for run in recorded.runs] == [0, 2]
    assert recorded.test_accuracy.n == 2
    assert (tmp_path / "error.txt").read_text() == "a traceback"


def test_a_refit_whose_checkpoint_is_gone_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, monkeypatch, [scores(0, 0.8), scores(1, 0.9)])
    for seed in (0, 1):
        (tmp_path / f"best/seed-{seed}").mkdir()
        (tmp_path / f"best/seed-{seed}/checkpoint.pt").touch()
    kept = "test accuracy: 0.8500"
    assert kept in run(tmp_path, monkeypatch, [scores(0, 0.7), scores(1, 0.7)])
    (tmp_path / "best/seed-1/checkpoint.pt").unlink()
    assert kept not in run(tmp_path, monkeypatch, [scores(0, 0.7), scores(1, 0.7)])


def test_refits_that_all_fail_end_the_search_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SearchFailedError, match=r"^refit from seed 1 failed: y; .*error.txt has the traceback$"):
        run(tmp_path, monkeypatch, [Failed("x", "X"), Failed("y", "Y")])
    assert not (tmp_path / "best" / "metrics.json").exists()


def test_refits_are_kept_where_the_images_are_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who read the images later find them."""
    run(tmp_path, monkeypatch, [scores(0, 0.8), scores(1, 0.9)])
    for seed in (0, 1):
        (tmp_path / f"best/seed-{seed}").mkdir()
        (tmp_path / f"best/seed-{seed}/checkpoint.pt").touch()
    monkeypatch.setattr(refits, "refit", lambda *_: pytest.fail("refit again"))
    moved = load_space("quick").with_overrides({"data_dir": "/elsewhere"})
    monkeypatch.setattr(f"{__name__}.load_space", lambda name: moved)
    run(tmp_path, monkeypatch, [scores(0, 0.8), scores(1, 0.9)])
    for kind, name in ((Winner, "winner.json"), (Refits, "metrics.json")):
        assert read_record(kind, tmp_path / "best" / name).recipe.data_dir == "/elsewhere"
