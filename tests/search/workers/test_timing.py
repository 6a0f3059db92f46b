"""What a trial takes, by some of its steps."""

import numpy as np
import pytest
from ray.exceptions import RayTaskError, WorkerCrashedError

from tune_s11.config import InputError, Recipe
from tune_s11.data import Images
from tune_s11.hardware import Hardware
from tune_s11.search.workers import timing as timing_module
from tune_s11.search.workers.cluster import Workers
from tune_s11.search.workers.executor import Executor
from tune_s11.search.workers.timing import start_all, time_steps
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


@pytest.mark.parametrize(
    ("error", "raised", "line"),
    [
        (
            RayTaskError("_wake", "Traceback", InputError("node 10.0.0.7: no GPU")).as_instanceof_cause(),
            InputError,
            "node 10.0.0.7: no GPU",
        ),
        (WorkerCrashedError(), WorkerCrashedError, str(WorkerCrashedError())),
    ],
)
def test_what_the_user_has_to_mend_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, raised: type[Exception], line: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Executor, "run", fail)
    with pytest.raises(raised) as caught:
        start_all(Executor(Workers(1, 1, 0, 1), "fp32"))
    assert str(caught.value) == line
