"""Networks made up for the tests: the loss of their cycles is known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from tune_s11.lr_range.cycles import Cycle, Outcome
from tune_s11.lr_range.rule import Question

CHANCE = math.log(10)


def question(**changes: object) -> Question:
    """A training of 24 epochs on ten classes."""
    plain = {"epochs": 24, "lr_range": (1e-4, 10.0), "trials": 3, "chance": CHANCE, "fallback": 0.03, "seed": 5}
    return Question(**(plain | changes))  # type: ignore[arg-type]


@dataclass
class Network:
    """One whose cycles end with the lowest loss at ``best``, and at chance two decades from it."""

    best: float
    dies_above: float = math.inf
    """Cycles diverge above this rate."""
    slow: int = 1
    """Epochs before which it learns nothing."""
    asked: list[list[Cycle]] = field(default_factory=list)

    def train(self, cycles: Sequence[Cycle]) -> dict[Cycle, Outcome]:
        """As the rule's ``train``."""
        self.asked.append(list(cycles))
        return {cycle: self._outcome(cycle) for cycle in cycles}

    @property
    def epochs(self) -> int:
        """Epochs of all cycles that were requested."""
        return sum(cycle.epochs for cycles in self.asked for cycle in cycles)

    def _outcome(self, cycle: Cycle) -> Outcome:
        if cycle.max_lr > self.dies_above:
            return Outcome(None, None, 1)
        away = min(1.0, abs(math.log10(cycle.max_lr / self.best)) / 2)
        learned = 0.0 if cycle.epochs < self.slow else 0.9 * (1 - away)
        return Outcome(0.1 + learned, CHANCE * (1 - learned), cycle.epochs)
