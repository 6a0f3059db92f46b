"""Lets a schedule set the learning rate of any torch optimizer."""

from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from tune_s11.training.schedule import OneCycle, Triangular


def drive(schedule: OneCycle | Triangular, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> LRScheduler:
    """Return a torch scheduler that sets an optimizer's learning rate by a schedule.

    Call its ``step()`` after each step of the optimizer. The first parameter group follows the schedule; the rates of
    the others keep their ratios to its rate.

    Args:
        schedule: Schedule over epochs.
        optimizer: Any torch optimizer. If a scheduler has driven it before, the ratios are those before that.
        steps_per_epoch: Steps of the optimizer per epoch.

    Raises:
        ValueError: An epoch has no step, or the rate of the first parameter group is 0, so there are no ratios to it.
    """
    if not steps_per_epoch >= 1:
        raise ValueError(f"steps_per_epoch {steps_per_epoch}: must be at least 1")
    first = optimizer.param_groups[0]
    if first.get("initial_lr", first["lr"]) == 0:  # torch keeps the initial rate for schedulers
        raise ValueError("optimizer: the learning rate of its first parameter group must not be 0")
    return _Driven(schedule, optimizer, steps_per_epoch)


class _Driven(LRScheduler):
    """A torch scheduler that follows one of these schedules."""

    def __init__(self, schedule: OneCycle | Triangular, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> None:
        self._schedule, self._steps = schedule, steps_per_epoch
        super().__init__(optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain values, which ``torch.load`` accepts; it goes with the same schedule and steps."""
        return {key: value for key, value in super().state_dict().items() if key not in {"_schedule", "_steps"}}

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return the rate of each parameter group for the next step."""
        lr = self._schedule.lr(self.last_epoch / self._steps)
        return [lr * float(base) / float(self.base_lrs[0]) for base in self.base_lrs]
