"""Short complete cycles: the whole training in a fraction of its epochs, at one peak learning rate each.

A ramp spends only a few steps near each rate, and shows their effect on the loss. A cycle includes the decay of the
rate. It shows where a training with this peak ends, and so predicts how good a longer one will be.
"""

from dataclasses import dataclass

from tune_s11.config import Recipe


@dataclass(frozen=True, order=True)
class Cycle:
    """A cycle before it is trained."""

    epochs: int
    """Length in epochs."""
    max_lr: float
    """Peak learning rate."""
    seed: int
    """Seed of the initial weights and the batches."""


@dataclass(frozen=True)
class Outcome:
    """The result of a cycle."""

    accuracy: float | None
    """Validation accuracy of the weights that the recipe ships; None: the cycle diverged, or it was not measured."""
    loss: float | None
    """Validation loss of these weights in nats; None: the cycle diverged."""
    epochs: int
    """Epochs trained; fewer than the cycle's if it diverged."""

    @property
    def diverged(self) -> bool:
        """Whether the loss became infinite or NaN."""
        return self.loss is None


def shorten(recipe: Recipe, cycle: Cycle) -> Recipe:
    """Return the recipe of a cycle."""
    return recipe.resized(cycle.epochs).model_copy(update={"max_lr": cycle.max_lr})
