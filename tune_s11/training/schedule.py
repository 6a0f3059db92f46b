"""Learning rate schedules as functions of the epoch.

Step ``k`` of ``n`` steps an epoch trains with ``schedule.lr(k / n)``. After each epoch the schedule gets the validation
loss, or the training loss where nothing is validated; only :class:`Plateau` uses it.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from tune_s11.config import Recipe


class Schedule(Protocol):
    """What the trainer asks of a schedule."""

    def lr(self, epoch: float) -> float:
        """Learning rate at a point of the run, in epochs since its start."""

    def end_epoch(self, loss: float) -> None:
        """Record the loss of a finished epoch, in nats: of validation, or of training where nothing is validated."""

    def state_dict(self) -> dict[str, Any]:
        """All that has to be kept to go on."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a kept state."""


class Stateless:
    """A schedule that the epoch alone decides."""

    def end_epoch(self, loss: float) -> None:
        """No-op."""

    def state_dict(self) -> dict[str, Any]:
        """Has nothing to keep."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Is a no-op: this schedule is stateless."""


@dataclass(frozen=True)
class OneCycle(Stateless):
    """Linear from ``min_lr`` up to ``max_lr`` at ``peak`` and back to ``min_lr`` at ``end``, never below.

    Smith, "Super-Convergence" (arXiv:1708.07120), without the last phase that annihilates the rate.
    """

    min_lr: float
    max_lr: float
    peak: float
    end: float

    def lr(self, epoch: float) -> float:
        """Learning rate at ``epoch``; ``min_lr`` before 0 and after ``end``."""
        rising, falling = epoch / self.peak, (self.end - epoch) / (self.end - self.peak)
        return self.min_lr + (self.max_lr - self.min_lr) * max(0.0, min(rising, falling))


@dataclass(frozen=True)
class Triangular(Stateless):
    """The zigzag: linear from ``min_lr`` to ``max_lr`` and back in each ``period`` epochs, again and again.

    Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv:1506.01186).
    """

    min_lr: float
    max_lr: float
    period: float

    def lr(self, epoch: float) -> float:
        """Learning rate at ``epoch``."""
        phase = epoch / self.period % 1.0
        return self.min_lr + (self.max_lr - self.min_lr) * (1.0 - abs(2.0 * phase - 1.0))


def drive(schedule: OneCycle | Triangular, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> LRScheduler:
    """Return a torch scheduler that sets an optimizer's learning rate by a schedule.

    Call its ``step()`` after each step of the optimizer. Parameter groups keep the ratios of their rates: the first
    one's follows the schedule.

    Args:
        schedule: In epochs.
        optimizer: Any.
        steps_per_epoch: Steps of the optimizer in an epoch.
    """
    return _Driven(schedule, optimizer, steps_per_epoch)


class _Driven(LRScheduler):
    """A schedule in the place of torch's own."""

    def __init__(self, schedule: OneCycle | Triangular, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> None:
        self._schedule, self._steps = schedule, steps_per_epoch
        super().__init__(optimizer)

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return the rate of each parameter group for the next step."""
        lr = self._schedule.lr(self.last_epoch / self._steps)
        return [lr * float(base) / float(self.base_lrs[0]) for base in self.base_lrs]


class Plateau:
    """Starts at ``max_lr`` and is multiplied by ``factor``, down to ``min_lr``, whenever the loss stops improving.

    torch's ReduceLROnPlateau decides, over an optimizer of its own that trains nothing, so that
    the trainer drives every schedule alike.

    Args:
        min_lr: The rate is never cut below it.
        max_lr: The first rate.
        patience: Epochs without a better loss that are let pass, at least 1; the rate is cut after one more.
        factor: Between 0 and 1.
    """

    def __init__(self, min_lr: float, max_lr: float, *, patience: int, factor: float) -> None:
        self._carrier = torch.optim.SGD([torch.zeros(1)], lr=max_lr)
        self._scheduler = ReduceLROnPlateau(self._carrier, factor=factor, patience=patience, min_lr=min_lr)

    def lr(self, epoch: float) -> float:
        """The present learning rate, whatever the epoch."""
        return float(self._carrier.param_groups[0]["lr"])

    def end_epoch(self, loss: float) -> None:
        """Count an epoch as better or not."""
        self._scheduler.step(loss)

    def state_dict(self) -> dict[str, Any]:
        """The rate, the best loss so far and the bad epochs since."""
        scheduler = self._scheduler
        return {"lr": self.lr(0), "best": scheduler.best, "num_bad_epochs": scheduler.num_bad_epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a kept state."""
        self._carrier.param_groups[0]["lr"] = state["lr"]
        self._scheduler.best = state["best"]
        self._scheduler.num_bad_epochs = state["num_bad_epochs"]


def build_schedule(recipe: Recipe) -> Schedule:
    """The schedule that the recipe names; a zigzag's period is twice the peak epoch."""
    match recipe.schedule:
        case "one_cycle":
            return OneCycle(recipe.min_lr, recipe.max_lr, peak=recipe.peak_epoch, end=recipe.epochs)
        case "triangular":
            return Triangular(recipe.min_lr, recipe.max_lr, period=2 * recipe.peak_epoch)
        case "plateau":
            patience, factor = recipe.plateau_patience, recipe.plateau_factor
            return Plateau(recipe.min_lr, recipe.max_lr, patience=patience, factor=factor)
