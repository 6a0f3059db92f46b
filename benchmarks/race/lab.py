"""What an arm of the race trains with: every epoch is counted, and the budget ends the search wherever it is."""

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
"""Training seeds of repeat ``r`` start at ``SEEDS_FROM + r * SEEDS_APART``: no pool was recorded from any of them."""

SEEDS_APART = 10_000
"""The last seed of a repeat is that of its fresh runs, the same for all arms: what they ship is compared in pairs."""


class BudgetSpent(Exception):  # The normal end of a search is no error.
    """The last epoch that the arm may train is trained."""


class Lab:
    """Trains for one search.

    Args:
        inputs: The problem's recipe and images.
        hardware: What to compute with.
        budget: Epochs.
        repeat: Number of the repeat, which decides all training seeds.
    """

    def __init__(self, inputs: Inputs, hardware: Hardware, budget: int, repeat: int) -> None:
        self.inputs = inputs
        self.hardware = hardware
        self.repeat = repeat
        self.log = Log()
        self._budget = budget

    @property
    def recipe(self) -> Recipe:
        """The recipe that all trials share."""
        return self.inputs.recipe

    @property
    def spent(self) -> int:
        """Epochs trained so far, those of no trial included."""
        return len(self.log.events)

    def start(self, params: Mapping[str, float]) -> "Running":
        """Start a trial; it trains nothing yet."""
        return Running(self, params)

    def spend(self, epochs: float) -> None:
        """Count epochs that no trial trained, rounded up.

        Raises:
            BudgetSpent: They were the last.
        """
        for _ in range(math.ceil(epochs)):
            self.count(FALLBACK, 0)

    def count(self, trial: int, epoch: int) -> None:
        """Count one epoch.

        Raises:
            BudgetSpent: It was the last.
        """
        self.log.events.append([trial, epoch])
        if self.spent == self._budget:
            raise BudgetSpent

    def suggest_rates(self, rates: Mapping[str, float]) -> None:
        """From now on the arm would ship the defaults at these rates, as long as it has no trained trial."""
        self.log.rates = {"params": defaults() | dict(rates), "after": self.spent}


class Running:
    """A trial, paused between calls: whoever promotes it later continues where it stopped.

    Args:
        lab: Where its epochs are counted.
        params: What the space chooses.
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
        """Whether its last epoch diverged; it then trains no further."""
        return self._trainer.diverged

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.diverged or self._trainer.epoch == self._trainer.recipe.epochs

    def advance(self, epoch: int) -> float:
        """Train until ``epoch``, as far as that is still to come.

        Returns:
            Validation accuracy of the EMA weights after that epoch; 0 once diverged.

        Raises:
            BudgetSpent: The search ends here.
        """
        while len(self.rows) < epoch and not self.finished:
            row = self._trainer.run_epoch()
            self.rows.append(row)
            self._line["ema"].append(round(row.score, 4))
            self._line["diverged"] = row.diverged
            self._lab.count(self.number, row.epoch)
        return 0.0 if self.diverged else self.rows[min(epoch, len(self.rows)) - 1].score
