"""Learning rate schedules as functions of the epoch.

Step ``k`` of ``n`` steps per epoch trains with ``schedule.lr(k / n)``. After each epoch, the schedule gets the
validation loss, or the training loss if nothing is validated; only :class:`Plateau` uses it.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from tune_s11.config import Recipe


class Schedule(Protocol):
    """The interface that the trainer expects of a schedule."""

    def lr(self, epoch: float) -> float:
        """Return the learning rate at a point of the run, in epochs since its start."""

    def end_epoch(self, loss: float) -> None:
        """Record the validation loss of a finished epoch in nats, or its training loss if nothing is validated."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state that is needed to resume."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a saved state."""


class Stateless:
    """A schedule that depends on the epoch alone."""

    def end_epoch(self, loss: float) -> None:
        """Do nothing: this schedule is stateless."""

    def state_dict(self) -> dict[str, Any]:
        """Return an empty state: this schedule is stateless."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing: this schedule is stateless."""


@dataclass(frozen=True)
class OneCycle(Stateless):
    """One cycle: linear from ``min_lr`` up to ``max_lr`` at ``peak`` and back to ``min_lr`` at ``end``, never below.

    It follows Smith, "Super-Convergence" (arXiv:1708.07120), without the last phase that annihilates the rate.
    """

    min_lr: float
    max_lr: float
    peak: float
    end: float

    def lr(self, epoch: float) -> float:
        """Return the learning rate at ``epoch``; ``min_lr`` before 0 and after ``end``."""
        rising, falling = epoch / self.peak, (self.end - epoch) / (self.end - self.peak)
        return self.min_lr + (self.max_lr - self.min_lr) * max(0.0, min(rising, falling))


@dataclass(frozen=True)
class Triangular(Stateless):
    """A zigzag: linear from ``min_lr`` to ``max_lr`` and back in every ``period`` epochs.

    It follows Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv:1506.01186).
    """

    min_lr: float
    max_lr: float
    period: float

    def lr(self, epoch: float) -> float:
        """Return the learning rate at ``epoch``."""
        phase = epoch / self.period % 1.0
        return self.min_lr + (self.max_lr - self.min_lr) * (1.0 - abs(2.0 * phase - 1.0))


def drive(schedule: OneCycle | Triangular, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> LRScheduler:
    """Return a torch scheduler that sets an optimizer's learning rate by a schedule.

    Call its ``step()`` after each step of the optimizer. The first parameter group follows the schedule; the others
    keep the ratios of their rates to its rate.

    Args:
        schedule: Schedule over epochs.
        optimizer: Any torch optimizer.
        steps_per_epoch: Steps of the optimizer per epoch.
    """
    return _Driven(schedule, optimizer, steps_per_epoch)


class _Driven(LRScheduler):
    """A torch scheduler that follows one of these schedules."""

    def __init__(self, schedule: OneCycle | Triangular, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> None:
        self._schedule, self._steps = schedule, steps_per_epoch
        super().__init__(optimizer)

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return the rate of each parameter group for the next step."""
        lr = self._schedule.lr(self.last_epoch / self._steps)
        return [lr * float(base) / float(self.base_lrs[0]) for base in self.base_lrs]


class Plateau:
    """A rate that starts at ``max_lr`` and is multiplied by ``factor``, down to ``min_lr``, when the loss stalls.

    torch's ReduceLROnPlateau decides, with an optimizer of its own that trains nothing, so that
    the trainer treats all schedules alike.

    Args:
        min_lr: Lowest rate.
        max_lr: Initial rate.
        patience: Epochs without a better loss to tolerate, at least 1; the rate is cut after one more.
        factor: Factor that multiplies the rate, between 0 and 1.
    """

    def __init__(self, min_lr: float, max_lr: float, *, patience: int, factor: float) -> None:
        self._carrier = torch.optim.SGD([torch.zeros(1)], lr=max_lr)
        self._scheduler = ReduceLROnPlateau(self._carrier, factor=factor, patience=patience, min_lr=min_lr)

    def lr(self, epoch: float) -> float:
        """Return the current learning rate, whatever the epoch."""
        return float(self._carrier.param_groups[0]["lr"])

    def end_epoch(self, loss: float) -> None:
        """Record whether the loss of a finished epoch is better."""
        self._scheduler.step(loss)

    def state_dict(self) -> dict[str, Any]:
        """Return the rate, the best loss so far and the number of bad epochs since."""
        scheduler = self._scheduler
        return {"lr": self.lr(0), "best": scheduler.best, "num_bad_epochs": scheduler.num_bad_epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a saved state."""
        self._carrier.param_groups[0]["lr"] = state["lr"]
        self._scheduler.best = state["best"]
        self._scheduler.num_bad_epochs = state["num_bad_epochs"]


def build_schedule(recipe: Recipe) -> Schedule:
    """Build the schedule that the recipe names; a zigzag's period is twice the peak epoch."""
    match recipe.schedule:
        case "one_cycle":
            return OneCycle(recipe.min_lr, recipe.max_lr, peak=recipe.peak_epoch, end=recipe.epochs)
        case "triangular":
            return Triangular(recipe.min_lr, recipe.max_lr, period=2 * recipe.peak_epoch)
        case "plateau":
            patience, factor = recipe.plateau_patience, recipe.plateau_factor
            return Plateau(recipe.min_lr, recipe.max_lr, patience=patience, factor=factor)
