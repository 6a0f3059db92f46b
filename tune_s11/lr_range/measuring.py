"""Trains the short cycles of an LR range test, and its ramps, in which the learning rate rises.

Ramps follow Leslie N. Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv:1506.01186),
section 3.3.
"""

import itertools
import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from tune_s11.config import Recipe
from tune_s11.hardware import Hardware
from tune_s11.lr_range.curve import Floats, smooth
from tune_s11.lr_range.cycles import Cycle, Outcome, shorten
from tune_s11.training.trainer import Trainer, TrainingData

DIVERGED = 4.0
"""Smoothed loss, as a multiple of the ramp's initial loss, above which a ramp ends.

The reference is the initial loss and not, as in fastai, the lowest so far: this network's loss often rises in mid-ramp
to its initial value and beyond, and then recovers at rates a hundred times higher."""


def ramp(kind: Literal["exponential", "linear"], low: float, high: float, steps: int) -> Floats:
    """Return learning rates from ``low`` to ``high``, both included, (steps,)."""
    return np.geomspace(low, high, steps) if kind == "exponential" else np.linspace(low, high, steps)


def range_test(
    recipe: Recipe,
    data: TrainingData,
    hardware: Hardware,
    lrs: Floats,
    seed: int,
    on_step: Callable[[], None] | None = None,
) -> Floats:
    """Train a fresh model while the learning rate rises, until the loss diverges.

    Args:
        recipe: Recipe to train; its schedule and learning rates are ignored.
        data: Images that the batches are drawn from.
        hardware: Hardware to compute with.
        lrs: Learning rate of each step, (steps,).
        seed: Seed of the initial weights and the batches.
        on_step: Called after each step.

    Returns:
        Loss of each step, (steps,); infinite from the step at which the ramp ended.
    """
    trainer = Trainer(recipe, data, hardware, seed)
    batches = (batch for epoch in itertools.count() for batch in trainer.batches(epoch))
    losses = np.full(len(lrs), math.inf)
    for k, (lr, batch) in enumerate(zip(lrs, batches, strict=False)):
        losses[k] = float(trainer.step(*batch, lr=float(lr))[0])
        if on_step:
            on_step()
        if has_diverged(losses[: k + 1]):
            losses[k] = math.inf
            break
    return losses


def has_diverged(losses: Floats) -> bool:
    """Return whether a ramp should end: its last loss is not finite, or its smoothed loss is far above the start."""
    return not math.isfinite(losses[-1]) or bool(smooth(losses)[-1] > DIVERGED * losses[:10].mean())


def train_cycle(
    recipe: Recipe,
    data: TrainingData,
    hardware: Hardware,
    cycle: Cycle,
    on_epoch: Callable[[], None] = lambda: None,
) -> Outcome:
    """Train one cycle.

    Args:
        recipe: Recipe of a complete training.
        data: Images to train on and to validate on.
        hardware: Hardware to compute with.
        cycle: Cycle to train.
        on_epoch: Called after each epoch.
    """
    trainer = Trainer(shorten(recipe, cycle), data, hardware, cycle.seed)
    epochs = []
    for metrics in trainer:
        epochs.append(metrics)
        on_epoch()
    if trainer.diverged:
        return Outcome(None, None, trainer.epoch)
    last = epochs[-1]
    return Outcome(last.score, last.val_loss if last.ema_val_loss is None else last.ema_val_loss, trainer.epoch)
