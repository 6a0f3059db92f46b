"""Pruning policies: which trials are stopped early, at which epochs, and the most that this can save.

A policy is one object that does not depend on Ray: the search, its forecast, simulations and the report all use it.
To add a policy, add a class here, its name to :attr:`tune_s11.config.SearchSettings.scheduler`, and both to
:func:`build_policy`.
"""

import itertools
import math
from bisect import insort
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol, assert_never

from tune_s11.config import InputError, SearchSettings


class Verdicts(Protocol):
    """The decisions of a policy in one search, based on the trials' reports so far."""

    def keeps(self, trial: Hashable, epoch: int, score: float) -> bool:
        """Record a report and decide whether the trial continues.

        Args:
            trial: Identifier of the trial.
            epoch: Epochs that the trial has trained.
            score: Score after this epoch, finite; higher is better.

        Returns:
            Whether the trial continues.
        """


class Policy(Protocol):
    """A rule for which trials are pruned, and when."""

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs after which a trial may be stopped, in rising order; all come before the last epoch."""

    @property
    def first_stops(self) -> float:
        """Share of the trials that the first rung stops, if there are many trials."""

    @property
    def greatest_saving(self) -> float:
        """Epochs of many trials without pruning, divided by their epochs with pruning."""

    def check(self) -> None:
        """Check that the policy has something to decide.

        Raises:
            InputError: The policy has nothing to decide.
        """

    def describe(self) -> str | None:
        """Return one line for the user; None if there is nothing to say."""

    def start(self) -> Verdicts:
        """Return the verdicts of a new search."""


def build_policy(settings: SearchSettings, epochs: int) -> Policy:
    """Build the policy that the settings name.

    Args:
        settings: Search settings with ``scheduler`` and the values that it needs.
        epochs: Length of a complete trial.
    """
    match settings.scheduler:
        case "asha":
            return SuccessiveHalving(settings.grace, settings.factor, epochs)
        case "none":
            return NoPruning()
        case unknown:
            assert_never(unknown)


@dataclass(frozen=True)
class NoPruning:
    """A policy that runs every trial to its last epoch. It records nothing, so it is its own verdicts."""

    rungs: tuple[int, ...] = ()
    first_stops: float = 0.0
    greatest_saving: float = 1.0

    def check(self) -> None:
        """See :class:`Policy`."""

    def describe(self) -> str | None:
        """See :class:`Policy`."""
        return None

    def start(self) -> "NoPruning":
        """See :class:`Policy`."""
        return self

    def keeps(self, trial: Hashable, epoch: int, score: float) -> bool:
        """See :class:`Verdicts`."""
        return True


@dataclass(frozen=True)
class SuccessiveHalving:
    """A policy (ASHA) that stops a trial at a rung unless its score is among the best recorded there before it.

    Li et al., "A System for Massively Parallel Hyperparameter Tuning" (arXiv:1810.05934), in the variant of Ray Tune's
    ``ASHAScheduler``: a stopped trial is never promoted later.

    Attributes:
        grace: Epoch of the first rung.
        factor: Each rung comes this many times later than the one before it, and keeps one trial in this many.
        epochs: Length of a complete trial.
    """

    grace: int
    factor: float
    epochs: int

    @property
    def rungs(self) -> tuple[int, ...]:
        """See :class:`Policy`. Rungs that a small factor would put at the same epoch are one."""
        rungs = (math.ceil(self.grace * self.factor**power) for power in itertools.count())
        return tuple(dict.fromkeys(itertools.takewhile(lambda rung: rung < self.epochs, rungs)))

    @property
    def first_stops(self) -> float:
        """See :class:`Policy`."""
        return 1 - 1 / self.factor

    @property
    def greatest_saving(self) -> float:
        """See :class:`Policy`."""
        spent, share, before = 0.0, 1.0, 0
        for rung in (*self.rungs, self.epochs):
            spent += share * (rung - before)
            share, before = share / self.factor, rung
        return self.epochs / spent

    def check(self) -> None:
        """See :class:`Policy`."""
        if not self.rungs:
            raise InputError(f"search.grace: {self.grace}: must be less than epochs={self.epochs}, or scheduler: none")

    def describe(self) -> str | None:
        """See :class:`Policy`."""
        at = ", ".join(str(rung) for rung in self.rungs)
        saving = f"saves at most {self.greatest_saving:.1f}x the epochs"
        return f"ASHA: rungs at epoch {at}, factor {self.factor:g}; {saving}"

    def start(self) -> "Rungs":
        """See :class:`Policy`."""
        return Rungs(self.rungs, self.factor)


class Rungs:
    """The rungs of :class:`SuccessiveHalving` in one search.

    Args:
        epochs: Epochs of the rungs, in rising order.
        factor: A rung keeps one trial in this many.
    """

    def __init__(self, epochs: tuple[int, ...], factor: float) -> None:
        self._rungs = [(epoch, Rung(factor)) for epoch in reversed(epochs)]

    def keeps(self, trial: Hashable, epoch: int, score: float) -> bool:
        """See :class:`Verdicts`. The latest rung that the trial has reached decides, once per trial."""
        for at, rung in self._rungs:
            if epoch >= at and trial not in rung.trials:
                return rung.keeps(trial, score)
        return True

    def trials(self, epoch: int) -> set[Hashable]:
        """Return the trials that were recorded at the rung of an epoch."""
        return next(rung.trials for at, rung in self._rungs if at == epoch)


class Rung:
    """One rung, with the scores recorded at it.

    Args:
        factor: A rung keeps one trial in this many.

    Attributes:
        trials: Trials recorded at the rung.
    """

    def __init__(self, factor: float) -> None:
        self._quantile = (1 - 1 / factor) * 100 / 100  # via a percentage, as in Ray and numpy, to match their last bit
        self._scores: list[float] = []
        self.trials: set[Hashable] = set()

    def keeps(self, trial: Hashable, score: float) -> bool:
        """Record a trial's score, and return whether the trial continues."""
        kept = not self._scores or score >= self._cutoff()
        insort(self._scores, score)
        self.trials.add(trial)
        return kept

    def _cutoff(self) -> float:
        """Return the quantile of the recorded scores, interpolated linearly in numpy's own order of operations."""
        position = self._quantile * (len(self._scores) - 1)
        below = int(position)
        a, b = self._scores[below], self._scores[min(below + 1, len(self._scores) - 1)]
        share = position - below
        return a + (b - a) * share if share < 0.5 else b - (b - a) * (1 - share)
