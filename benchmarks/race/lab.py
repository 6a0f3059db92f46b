"""Training for the live arms of the race: every epoch is counted, and the search stops once the budget is spent."""

import math
from collections.abc import Mapping
from typing import Any

from benchmarks.race.candidates import FALLBACK
from benchmarks.race.log import Log
from benchmarks.race.problems import Inputs, defaults
from tune_s11.config import Recipe
from tune_s11.hardware import Hardware
from tune_s11.training.metrics import EpochMetrics
from tune_s11.training.trainer import Trainer

SEEDS_FROM = 10_000_000
"""Offset of the training seeds, above those of all pools: repeat ``r`` starts at ``SEEDS_FROM + r * SEEDS_APART``."""

SEEDS_APART = 10_000
"""Number of training seeds of a repeat. The last one is for its fresh runs and is the same for all arms, so that what
they ship is compared in pairs."""


class BudgetSpent(Exception):  # The normal end of a search is not an error.
    """Raised when the last epoch of an arm's budget is spent."""


class Lab:
    """Training of one search, which counts its epochs.

    Args:
        inputs: Recipe and images of the problem.
        hardware: Hardware to compute with.
        budget: Epochs to spend.
        repeat: Number of the repeat, which determines all training seeds.
    """

    def __init__(self, inputs: Inputs, hardware: Hardware, budget: int, repeat: int) -> None:
        self.inputs = inputs
        self.hardware = hardware
        self.repeat = repeat
        self.log = Log()
        self._budget = budget

    @property
    def recipe(self) -> Recipe:
        """Recipe that all trials share."""
        return self.inputs.recipe

    @property
    def spent(self) -> int:
        """Epochs spent so far, including those that belong to no trial."""
        return len(self.log.events)

    def start(self, params: Mapping[str, float]) -> "Running":
        """Start a trial without training it yet."""
        return Running(self, params)

    def spend(self, epochs: float) -> None:
        """Count epochs that belong to no trial, rounded up.

        Raises:
            BudgetSpent: The budget is spent.
        """
        for _ in range(math.ceil(epochs)):
            self.count(FALLBACK, 0)

    def count(self, trial: int, epoch: int) -> None:
        """Count one epoch.

        Raises:
            BudgetSpent: The budget is spent.
        """
        self.log.events.append([trial, epoch])
        if self.spent == self._budget:
            raise BudgetSpent

    def suggest_rates(self, rates: Mapping[str, float]) -> None:
        """Log that the arm would ship the defaults at these rates from now on, until it has a trained trial."""
        self.log.rates = {"params": defaults() | dict(rates), "after": self.spent}


class Running:
    """A trial that pauses between calls and continues where it stopped when it is promoted later.

    Args:
        lab: Lab that counts its epochs.
        params: Values of the searched parameters.
    """

    def __init__(self, lab: Lab, params: Mapping[str, float]) -> None:
        self.params = dict(params)
        self.number = len(lab.log.trials)
        self.rows: list[EpochMetrics] = []
        seed = SEEDS_FROM + lab.repeat * SEEDS_APART + self.number
        recipe = lab.recipe.model_copy(update=self.params)
        self._lab = lab
        self._trainer = Trainer(recipe, lab.inputs.data, lab.hardware, seed)
        self._line: dict[str, Any] = {"params": self.params, "ema": [], "diverged": False}
        lab.log.trials.append(self._line)

    @property
    def diverged(self) -> bool:
        """Whether the last epoch diverged; the trial then trains no further."""
        return self._trainer.diverged

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""
        return self.diverged or self._trainer.epoch == self._trainer.recipe.epochs

    def advance(self, epoch: int) -> float:
        """Train up to ``epoch``; a no-op if it is already trained.

        Returns:
            Validation accuracy of the EMA weights after that epoch; 0 once diverged.

        Raises:
            BudgetSpent: The budget is spent.
        """
        while len(self.rows) < epoch and not self.finished:
            row = self._trainer.run_epoch()
            self.rows.append(row)
            self._line["ema"].append(round(row.score, 4))
            self._line["diverged"] = row.diverged
            self._lab.count(self.number, row.epoch)
        return 0.0 if self.diverged else self.rows[min(epoch, len(self.rows)) - 1].score
