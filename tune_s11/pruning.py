"""Pruning policies: at which epochs a trial may be stopped, which trial is, and what that can save at most.

A policy is one object that knows nothing of Ray: the search, its forecast, simulations and the report all ask it.
Another policy is a class here and a name in :attr:`tune_s11.config.SearchSettings.scheduler`.
"""

import math
from bisect import insort
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

from tune_s11.config import InputError, SearchSettings


class Verdicts(Protocol):
    """A policy at work: what trials have reported so far in one search."""

    def keeps(self, trial: Hashable, epoch: int, score: float) -> bool:
        """Records a report, and decides on the trial.

        Args:
            trial: By what it is told apart.
            epoch: Epochs that it has trained.
            score: Finite; the higher, the better.

        Returns:
            Whether the trial continues.
        """


class Policy(Protocol):
    """Who is pruned, and when."""

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs after which a trial may be stopped, rising; each before the last epoch."""

    @property
    def first_stops(self) -> float:
        """Share of the trials that the first rung stops, of many."""

    @property
    def greatest_saving(self) -> float:
        """Epochs of many trials unpruned over epochs of the same trials pruned."""

    def check(self) -> None:
        """Makes sure that it has something to decide.

        Raises:
            InputError: It has not.
        """

    def describe(self) -> str | None:
        """One line for the user; None where there is nothing to say."""

    def start(self) -> Verdicts:
        """Verdicts of a new search."""


def build_policy(settings: SearchSettings, epochs: int) -> Policy:
    """The policy that the settings name.

    Args:
        settings: Its ``scheduler`` and what that needs.
        epochs: Length of a complete trial.
    """
    if settings.scheduler == "none":
        return NoPruning()
    return SuccessiveHalving(settings.grace, settings.factor, epochs)


@dataclass(frozen=True)
class NoPruning:
    """Every trial runs to its last epoch. It serves as its own verdicts, for it records nothing."""

    rungs: tuple[int, ...] = ()
    first_stops: float = 0.0
    greatest_saving: float = 1.0

    def check(self) -> None:
        """As :class:`Policy`."""

    def describe(self) -> str | None:
        """As :class:`Policy`."""
        return None

    def start(self) -> "NoPruning":
        """As :class:`Policy`."""
        return self

    def keeps(self, trial: Hashable, epoch: int, score: float) -> bool:
        """As :class:`Verdicts`."""
        return True


@dataclass(frozen=True)
class SuccessiveHalving:
    """ASHA: a trial that reaches a rung is stopped unless it is among the best of those that were there before it.

    Li et al., "A System for Massively Parallel Hyperparameter Tuning" (arXiv:1810.05934), in the variant of Ray Tune's
    ``ASHAScheduler``, which only stops: a trial that was stopped is never promoted later.

    Attributes:
        grace: Epoch of the first rung.
        factor: Each rung is this many times later than the one before, and keeps one trial in this many.
        epochs: Length of a complete trial.
    """

    grace: int
    factor: float
    epochs: int

    @property
    def rungs(self) -> tuple[int, ...]:
        """As :class:`Policy`."""
        rungs: list[int] = []
        while (rung := math.ceil(self.grace * self.factor ** len(rungs))) < self.epochs:
            rungs.append(rung)
        return tuple(rungs)

    @property
    def first_stops(self) -> float:
        """As :class:`Policy`."""
        return 1 - 1 / self.factor

    @property
    def greatest_saving(self) -> float:
        """As :class:`Policy`."""
        spent, share, before = 0.0, 1.0, 0
        for rung in (*self.rungs, self.epochs):
            spent += share * (rung - before)
            share, before = share / self.factor, rung
        return self.epochs / spent

    def check(self) -> None:
        """As :class:`Policy`."""
        if not self.rungs:
            raise InputError(f"search.grace: {self.grace}: must be less than epochs={self.epochs}, or scheduler: none")

    def describe(self) -> str | None:
        """As :class:`Policy`."""
        at = ", ".join(str(rung) for rung in self.rungs)
        saving = f"saves at most {self.greatest_saving:.1f}x the epochs"
        return f"ASHA: rungs at epoch {at}, factor {self.factor:g}; {saving}"

    def start(self) -> "Rungs":
        """As :class:`Policy`."""
        return Rungs(self.rungs, self.factor)


class Rungs:
    """The rungs of :class:`SuccessiveHalving` in one search.

    Args:
        epochs: Of the rungs, rising.
        factor: One trial in this many is kept.
    """

    def __init__(self, epochs: tuple[int, ...], factor: float) -> None:
        self._rungs = [(epoch, Rung(factor)) for epoch in reversed(epochs)]

    def keeps(self, trial: Hashable, epoch: int, score: float) -> bool:
        """As :class:`Verdicts`: the last rung that the trial has passed decides, once."""
        for at, rung in self._rungs:
            if epoch >= at and trial not in rung.trials:
                return rung.keeps(trial, score)
        return True

    def trials(self, epoch: int) -> set[Hashable]:
        """Those that were recorded at a rung."""
        return next(rung.trials for at, rung in self._rungs if at == epoch)


class Rung:
    """Scores at one epoch.

    Args:
        factor: One trial in this many is kept.

    Attributes:
        trials: Those recorded.
    """

    def __init__(self, factor: float) -> None:
        self._quantile = (1 - 1 / factor) * 100 / 100  # to the last bit what numpy makes of Ray's percentage
        self._scores: list[float] = []
        self.trials: set[Hashable] = set()

    def keeps(self, trial: Hashable, score: float) -> bool:
        """Whether a trial with this score continues; the score is recorded in any case."""
        kept = not self._scores or score >= self._cutoff()
        insort(self._scores, score)
        self.trials.add(trial)
        return kept

    def _cutoff(self) -> float:
        """The quantile of what is recorded, interpolated linearly, in numpy's own order of operations."""
        position = self._quantile * (len(self._scores) - 1)
        below = int(position)
        a, b = self._scores[below], self._scores[min(below + 1, len(self._scores) - 1)]
        share = position - below
        return a + (b - a) * share if share < 0.5 else b - (b - a) * (1 - share)
