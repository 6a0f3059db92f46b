"""What a trial takes, by some of its steps."""

import numpy as np
import pytest

from tune_s11.config import Recipe
from tune_s11.data import Images
from tune_s11.hardware import Hardware
from tune_s11.search.workers import timing as timing_module
from tune_s11.search.workers.timing import time_steps
from tune_s11.training.trainer import TrainingData


def test_a_pace_is_that_of_the_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing_module, "MEASURED_SECONDS", 0.05)
    pixels = np.random.default_rng(0).integers(0, 256, (70, 8, 8, 3), dtype=np.uint8)
    data = TrainingData(Images(pixels, np.arange(70) % 3), None, 3, (0.5, 0.5, 0.5), (0.3, 0.3, 0.3))
    recipe = Recipe(image_size=8, width=2, epochs=6, batch_size=16, pad=1, cutout=2)
    timing = time_steps(Hardware(device="cpu", precision="fp32", threads=1), recipe, data, 32)
    assert timing.steps == 4
    assert timing.epoch == pytest.approx(4 * timing.step + timing.evaluation)
    assert timing.run(6) == pytest.approx(timing.begin + 6 * timing.epoch)
    assert timing.trials_a_minute(3, 6) == pytest.approx(180 / timing.run(6))
    assert min(timing.begin, timing.step, timing.evaluation) > 0
    assert timing.memory > 50e6
