"""A trial's reports, without Ray's workers."""

import itertools
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.tune.result import DONE, SHOULD_CHECKPOINT, TIME_THIS_ITER_S
from ray.tune.trainable import trainable

from tune_s11.config import Recipe
from tune_s11.data import Images
from tune_s11.results.folder import checkpoint_file
from tune_s11.search.tune import trainable as trainable_module
from tune_s11.search.tune.trainable import TrialTrainable
from tune_s11.search.workers.cluster import Workers
from tune_s11.search.workers.executor import Executor
from tune_s11.training.trainer import TrainingData


class Alone(TrialTrainable):
    """A trial in this process."""

    def __init__(self, config: dict[str, Any], epochs: int = 2, rungs: Iterable[int] = (1,)) -> None:
        self._epochs, self._rungs_at = epochs, frozenset(rungs)
        super().__init__(config)

    def setup(self, config: dict[str, Any]) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (32, 8, 8, 3), dtype=np.uint8)
        images = Images(pixels, np.arange(32) % 4)
        super().setup(
            config,
            data=TrainingData(images, images, 4, (0.5,) * 3, (0.2,) * 3),
            recipe=Recipe(width=2, image_size=8, pad=1, cutout=2, epochs=self._epochs, peak_epoch=1, batch_size=16),
            rungs=self._rungs_at,
            executor=Executor(Workers(1, 1, 0, 1), "fp32"),
            compiled=False,
            remote=None,
        )


CONFIG = {"params": {}, "seed": 0, "checkpoint": None, "folder": "t0000"}


def rows(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The epochs of a report, without what differs from run to run."""
    return [{**row, "seconds": 0.0, "images_per_second": 0.0} for row in report["epochs"]]


def test_a_report_asks_for_a_checkpoint_at_a_rung_and_not_at_the_end() -> None:
    trial = Alone(CONFIG)
    assert [(it[SHOULD_CHECKPOINT], it[DONE]) for it in (trial.step(), trial.step())] == [(True, False), (False, True)]


def test_a_resumed_trial_trains_what_is_left_as_if_never_interrupted(tmp_path: Path) -> None:
    """In a later session its configuration names the checkpoint; after its worker's death Tune hands it over."""
    whole = Alone(CONFIG)
    whole.step()
    expected = rows(whole.step())
    assert [row["epoch"] for row in expected] == [2]
    interrupted = Alone(CONFIG)
    interrupted.step()
    interrupted.save_checkpoint(str(tmp_path))
    later = Alone(CONFIG | {"checkpoint": str(checkpoint_file(tmp_path)), "folder": "t0000.1"})
    elsewhere = Alone(CONFIG)
    elsewhere.load_checkpoint(str(tmp_path))
    assert rows(later.step()) == rows(elsewhere.step()) == expected


def test_a_checkpoint_is_read_without_the_workers_device(tmp_path: Path) -> None:
    """A GPU that fails, or is missing, says nothing about the file."""
    trial = Alone(CONFIG)
    trial.step()
    trial.save_checkpoint(str(tmp_path))
    trial._hardware = trial._hardware.model_copy(update={"device": "cuda"})
    trial.load_checkpoint(str(tmp_path))
    assert trial._begun().epoch == 1


def test_a_checkpoint_is_asked_for_once_a_minute_between_rungs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = 1000.0
    monkeypatch.setattr(trainable_module, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(trainable_module, "REPORT_SECONDS", 0.0)
    trial = Alone(CONFIG, epochs=5, rungs=())
    assert not trial.step()[SHOULD_CHECKPOINT]
    now += 59.0
    assert not trial.step()[SHOULD_CHECKPOINT]
    now += 1.0
    assert trial.step()[SHOULD_CHECKPOINT]
    trial.save_checkpoint(str(tmp_path))
    assert not trial.step()[SHOULD_CHECKPOINT]


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_the_time_of_a_report_does_not_follow_a_clock_that_jumps(monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    """By the longest report it is told which workers hang: a day more, and none of them would for weeks."""
    clock = itertools.count(1.8e9, jump)
    monkeypatch.setattr(trainable.time, "time", lambda: next(clock))
    trial = Alone(CONFIG)
    result = trial.train()
    assert result["epoch"] == 1
    assert 0 < result[TIME_THIS_ITER_S] < 60
