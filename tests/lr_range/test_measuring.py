"""Cycles and ramps measured by training."""

import math

import numpy as np
import pytest

from tune_s11.config import Recipe
from tune_s11.data import load_dataset
from tune_s11.hardware import Hardware
from tune_s11.lr_range.curve import smooth
from tune_s11.lr_range.cycles import Cycle, Outcome, shorten
from tune_s11.lr_range.measuring import has_diverged, ramp, range_test, train_cycle
from tune_s11.training.trainer import Trainer, TrainingData

CPU = Hardware(device="cpu", precision="fp32", threads=1)
SHORT = Recipe(image_size=8, width=4, batch_size=16, epochs=12, peak_epoch=3.0, pad=1, cutout=2, ema_horizon=0.5)
TINY = Recipe(dataset="digits", image_size=8, width=4, pad=1, cutout=2, batch_size=64, epochs=6, peak_epoch=2)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.with_validation(load_dataset(TINY), TINY, seed=0)


def test_ramps() -> None:
    assert ramp("exponential", 1e-3, 10, 5) == pytest.approx([1e-3, 1e-2, 1e-1, 1, 10])
    assert ramp("linear", 0, 4, 5) == pytest.approx([0, 1, 2, 3, 4])


def test_divergence() -> None:
    assert has_diverged(np.array([2.0, math.nan]))
    assert has_diverged(np.array([2.0] * 20 + [500.0]))
    assert not has_diverged(np.array([2.0] * 20 + [8.0]))


def test_divergence_is_judged_by_the_initial_loss_and_not_by_the_lowest() -> None:
    assert not has_diverged(np.array([2.0] * 12 + [0.1] * 30 + [6.0] * 30))
    losses = np.array([2.0] * 20 + [12.0] * 40)
    end = next(step for step in range(20, 60) if smooth(losses)[step] > 4 * 2.0)
    assert not has_diverged(losses[:end])
    assert has_diverged(losses[: end + 1])


def test_measures_a_fresh_model_until_it_diverges(data: TrainingData) -> None:
    lrs = ramp("exponential", 1e-3, 1e6, 40)
    first, again, other = (range_test(TINY, data, CPU, lrs, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    end = int(np.flatnonzero(np.isinf(first))[0])
    assert 10 < end < 40
    assert np.isinf(first[end:]).all()
    assert np.isfinite(first[:end]).all()


def test_each_step_is_counted_once(data: TrainingData) -> None:
    steps: list[None] = []
    losses = range_test(TINY, data, CPU, ramp("exponential", 1e-4, 1e-2, 25), 0, lambda: steps.append(None))
    assert len(steps) == 25 > len(data.train) // TINY.batch_size  # into a second epoch
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("ema_horizon", [0.0, 0.5])
def test_an_outcome_is_what_the_trainer_ends_with(data: TrainingData, ema_horizon: float) -> None:
    recipe = SHORT.model_copy(update={"ema_horizon": ema_horizon})
    cycle, epochs = Cycle(2, 0.1, 3), []
    outcome = train_cycle(recipe, data, CPU, cycle, lambda: epochs.append(1))
    *_, last = Trainer(shorten(recipe, cycle), data, CPU, 3)
    loss = last.ema_val_loss if ema_horizon else last.val_loss
    assert outcome == Outcome(last.score, loss, 2)
    assert len(epochs) == 2
    assert not outcome.diverged


def test_a_cycle_that_diverges_has_no_accuracy(data: TrainingData) -> None:
    outcome = train_cycle(SHORT, data, CPU, Cycle(3, 1e30, 0))
    assert outcome == Outcome(None, None, 1)
    assert outcome.diverged
