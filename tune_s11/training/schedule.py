"""Learning rate schedules as functions of the epoch.

Step ``k`` of ``n`` steps per epoch trains with ``schedule.lr(k / n)``. After each epoch, the schedule gets the
validation loss, or the training loss if nothing is validated; only :class:`Plateau` uses it.
"""

from dataclasses import dataclass
from typing import Any, Protocol

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


def _check_rates(min_lr: float, max_lr: float) -> None:
    if not 0 <= min_lr <= max_lr:
        raise ValueError(f"min_lr {min_lr:g}: must be between 0 and max_lr={max_lr:g}")


@dataclass(frozen=True)
class OneCycle(Stateless):
    """One cycle: linear from ``min_lr`` up to ``max_lr`` at ``peak`` and back to ``min_lr`` at ``end``, never below.

    It follows Smith, "Super-Convergence" (arXiv:1708.07120), without its last phase, in which the rate falls far
    below ``min_lr``.

    Raises:
        ValueError: The rates or the epochs are not in this order.
    """

    min_lr: float
    max_lr: float
    peak: float
    end: float

    def __post_init__(self) -> None:
        _check_rates(self.min_lr, self.max_lr)
        if not 0 < self.peak < self.end:
            raise ValueError(f"peak {self.peak:g}: must be between 0 and end={self.end:g}")

    def lr(self, epoch: float) -> float:
        """Return the learning rate at ``epoch``; ``min_lr`` before 0 and after ``end``."""
        rising, falling = epoch / self.peak, (self.end - epoch) / (self.end - self.peak)
        return self.min_lr + (self.max_lr - self.min_lr) * max(0.0, min(rising, falling))


@dataclass(frozen=True)
class Triangular(Stateless):
    """A zigzag: linear from ``min_lr`` to ``max_lr`` and back in every ``period`` epochs.

    It follows Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv:1506.01186).

    Raises:
        ValueError: ``min_lr`` is above ``max_lr`` or below 0, or the period is not above 0.
    """

    min_lr: float
    max_lr: float
    period: float

    def __post_init__(self) -> None:
        _check_rates(self.min_lr, self.max_lr)
        if not self.period > 0:
            raise ValueError(f"period {self.period:g}: must be above 0")

    def lr(self, epoch: float) -> float:
        """Return the learning rate at ``epoch``."""
        phase = epoch / self.period % 1.0
        return self.min_lr + (self.max_lr - self.min_lr) * (1.0 - abs(2.0 * phase - 1.0))


class Plateau:
    """A rate that starts at ``max_lr`` and is multiplied by ``factor``, down to ``min_lr``, when the loss stalls.

    torch's ReduceLROnPlateau decides when. It sets the rate of an optimizer that trains nothing, so the trainer can
    treat all schedules alike.

    Args:
        min_lr: Lowest rate.
        max_lr: Initial rate.
        patience: Epochs without a better loss that are tolerated, at least 1; the rate is cut after one more.
        factor: Factor that multiplies the rate, between 0 and 1.
    """

    def __init__(self, min_lr: float, max_lr: float, *, patience: int, factor: float) -> None:
        import torch  # takes seconds to import, and the other schedules are formulas
        from torch.optim.lr_scheduler import ReduceLROnPlateau

        self._carrier = torch.optim.SGD([torch.zeros(1)], lr=max_lr)
        self._scheduler = ReduceLROnPlateau(self._carrier, factor=factor, patience=patience, min_lr=min_lr)

    def lr(self, epoch: float) -> float:
        """Return the current learning rate, whatever the epoch."""
        return float(self._carrier.param_groups[0]["lr"])

    def end_epoch(self, loss: float) -> None:
        """Record the loss of a finished epoch, and cut the rate if the loss has stalled."""
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
