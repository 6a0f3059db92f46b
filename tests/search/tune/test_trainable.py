"""A trial's reports, without Ray's workers."""

import itertools
from typing import Any

import numpy as np
import pytest
from ray.tune.result import TIME_THIS_ITER_S
from ray.tune.trainable import trainable

from tune_s11.config import Recipe
from tune_s11.data import Images
from tune_s11.search.tune.trainable import TrialTrainable
from tune_s11.search.workers.cluster import Workers
from tune_s11.search.workers.executor import Executor
from tune_s11.training.trainer import TrainingData


class Alone(TrialTrainable):
    """A trial in this process."""

    def setup(self, config: dict[str, Any]) -> None:
        images = Images(np.zeros((32, 8, 8, 3), np.uint8), np.arange(32) % 4)
        super().setup(
            config,
            data=TrainingData(images, images, 4, (0.5,) * 3, (0.2,) * 3),
            recipe=Recipe(width=2, image_size=8, pad=1, cutout=2, epochs=2, peak_epoch=1, batch_size=16),
            rungs=frozenset({1}),
            executor=Executor(Workers(1, 1, 0, 1), "fp32"),
            compiled=False,
            remote=None,
        )


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0])
def test_the_time_of_a_report_does_not_follow_a_clock_that_jumps(monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    """By the longest report it is told which workers hang: a day more, and none of them would for weeks."""
    clock = itertools.count(1.8e9, jump)
    monkeypatch.setattr(trainable.time, "time", lambda: next(clock))
    trial = Alone({"params": {}, "seed": 0, "checkpoint": None, "folder": "t0000"})
    result = trial.train()
    assert result["epoch"] == 1
    assert 0 < result[TIME_THIS_ITER_S] < 60
