"""Recordings whose truth is known: accuracy is a hill over the logarithm of the learning rate."""

import math
from typing import Any

from benchmarks.lr_range.conditions import CONDITIONS, Condition
from benchmarks.lr_range.record import Task, plan
from benchmarks.lr_range.recording import Recording
from tune_s11.config import SearchSettings


def recording(name: str, peak: float, dies_above: float = math.inf) -> Recording:
    """Return the recording of a condition.

    Args:
        name: The condition's.
        peak: The rate that trains best; accuracy is 0.9 there, and 0.2 less each decade from it.
        dies_above: Trainings and ramps diverge above this rate.
    """
    condition = CONDITIONS[name]
    return Recording(condition, {task: _line(condition, task, peak, dies_above) for task in plan(condition)})


def _line(condition: Condition, task: Task, peak: float, dies_above: float) -> dict[str, Any]:
    line: dict[str, Any] = {**vars(task), "seconds": 0.1, "processor": "AMX"}
    if not task.epochs:
        settings = SearchSettings()
        low, high = settings.lr_range
        rates = [low * (high / low) ** (k / (settings.lr_range_steps - 1)) for k in range(settings.lr_range_steps)]
        return line | {"losses": [None if rate > dies_above else _loss(rate, peak) for rate in rates]}
    if task.max_lr > dies_above:
        return line | {"raw": None, "ema": None, "ema_loss": None, "held_out": None, "diverged_at": 1}
    learned = task.epochs / int(condition.problem.fields["epochs"])
    accuracy = max(0.1, 0.1 + 0.8 * min(1.0, learned**0.2) - 0.2 * abs(math.log10(task.max_lr / peak)))
    accuracy = round(accuracy, 4)
    loss = round(math.log(10) * (1 - (accuracy - 0.1) / 0.9), 4)
    return line | {"raw": accuracy, "ema": accuracy, "ema_loss": loss, "held_out": accuracy, "diverged_at": None}


def _loss(rate: float, peak: float) -> float:
    """Fall until ten times the best rate, then rise."""
    return round(2.3 - 1.5 * math.exp(-(math.log10(rate / (10 * peak)) ** 2)), 4)
