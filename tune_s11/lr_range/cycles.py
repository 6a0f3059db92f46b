"""Short complete cycles: the whole training in a fraction of its epochs, at one peak learning rate each.

A ramp passes through a rate within a few steps and shows what these do to the loss. A cycle shows where a training at
this rate ends, with its decay, and so what a longer one will be worth.
"""

from dataclasses import dataclass

from tune_s11.config import Recipe


@dataclass(frozen=True, order=True)
class Cycle:
    """One cycle, before it is trained."""

    epochs: int
    """Length."""
    max_lr: float
    """Peak learning rate."""
    seed: int
    """Of the initial weights and the batches."""


@dataclass(frozen=True)
class Outcome:
    """What a cycle ended with."""

    accuracy: float | None
    """Validation accuracy of the weights that the recipe ships; None: it diverged, or nothing is classified."""
    loss: float | None
    """Their validation loss in nats; None: it diverged."""
    epochs: int
    """Epochs trained: fewer than the cycle's where it diverged."""

    @property
    def diverged(self) -> bool:
        """Whether the loss became infinite."""
        return self.loss is None


def shorten(recipe: Recipe, cycle: Cycle) -> Recipe:
    """Return the recipe of a cycle: the peak moves with the length, the horizon of the EMA stays in epochs."""
    peak = recipe.peak_epoch * cycle.epochs / recipe.epochs
    return recipe.model_copy(update={"epochs": cycle.epochs, "peak_epoch": peak, "max_lr": cycle.max_lr})
