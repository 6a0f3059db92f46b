"""Measure the quality of what an arm would ship after each epoch, and summarise it in a few figures."""

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import sem, t

from benchmarks.race.candidates import FALLBACK, Candidates, History
from benchmarks.race.difficulty import MARGIN
from benchmarks.race.pool import Floats, Ints

TRIALS = 20
"""Largest budget, in complete trials."""
PARTS = (8, 4, 2, 1)
"""Divisors of the largest budget; the regret is read once each quotient is spent."""

_ROUNDING = 1e-9
"""Tolerance for accuracies, which are recorded with four digits: a value on the boundary is close."""


def ship(history: History, candidates: Candidates, metric: str, budget: int) -> Ints:
    """Return the row that an arm would ship after 0, 1, ... ``budget`` epochs, (budget + 1,).

    The arm ships the complete trial that is best by its metric. Until there is one, it ships the trial trained
    farthest, and among several the one that is best after that epoch. Until there is any that has not diverged, it
    ships the defaults, as :data:`FALLBACK`. Of equals, it ships the first. Where the history is shorter than the
    budget, nothing changes after its end.
    """
    signal = candidates.signals[metric]
    shipped = np.full(budget + 1, FALLBACK)
    best, leader = -1.0, FALLBACK
    partial: dict[int, tuple[int, float]] = {}
    for spent, (row, epoch) in enumerate(zip(history.rows.tolist(), history.epochs.tolist(), strict=True), start=1):
        score = float(signal[row, epoch - 1])
        if epoch == 0:
            pass  # The epoch belongs to no trial.
        elif epoch == candidates.epochs_run[row] and candidates.diverged[row]:
            partial.pop(row, None)
        elif epoch < candidates.epochs:
            partial[row] = epoch, score
        elif score > best:
            best, leader = score, row
        if leader != FALLBACK:
            shipped[spent] = leader
        elif partial:
            shipped[spent] = max(partial, key=partial.__getitem__)
    shipped[len(history.rows) + 1 :] = shipped[len(history.rows)]
    return shipped


def area(regret: Floats, start: int) -> float:
    """Return the area under the regret against log(epochs), over its width: the mean regret on that scale.

    Args:
        regret: Regret after 0, 1, ... epochs; each value holds until the next epoch is spent.
        start: Epochs at which the area starts; it extends to the last value, which has no width.
    """
    epochs = np.arange(start, len(regret))
    widths = np.diff(np.log(epochs))
    return float((regret[start:-1] * widths).sum() / widths.sum())


def epochs_until_close(shipped: Ints, candidates: Candidates) -> float:
    """Return the epochs spent until what is shipped is within a point of the best known; infinite if it never is.

    The defaults count if the arm has a trial of them, but not if it ships them for lack of any trial.
    """
    close = candidates.quality[shipped] >= candidates.best_known - MARGIN - _ROUNDING
    trained = (shipped != FALLBACK) & (candidates.epochs_run[shipped] > 0)
    found = np.flatnonzero(close & trained)
    return float(found[0]) if len(found) else math.inf


class Estimate(NamedTuple):
    """A mean over orders or repeats, with Student's 95% interval.

    All orders draw from the same pool, so their interval says nothing about another pool or other training seeds.
    """

    mean: float
    low: float
    high: float


def estimate(values: Floats) -> Estimate:
    """Return the mean over orders or repeats, (n,), and its interval, which is NaN for a single value."""
    n = len(values)
    mean = float(values.mean())
    half = math.nan if n < 2 else float(t.ppf(0.975, n - 1) * sem(values))
    return Estimate(mean, mean - half, mean + half)


def budget_of(candidates: Candidates) -> int:
    """Return the largest budget in epochs."""
    return TRIALS * candidates.epochs


def read_at(epochs: int) -> dict[str, int]:
    """Return the epochs at which the regret is read, by the name of the figure, in ascending order.

    Args:
        epochs: Epochs of a complete trial.
    """
    points = [TRIALS * epochs // part for part in PARTS]
    return {f"regret_{point}": point for point in points}


def measure(shipped: Ints, candidates: Candidates) -> dict[str, float]:
    """Return the figures of one search: ``area``, ``regret_<epochs>`` at each budget, and ``epochs`` until close.

    Args:
        shipped: Shipped rows, as returned by :func:`ship`.
        candidates: Candidates that were chosen from.

    Returns:
        Figures by name. ``epochs`` is censored at the budget, so its mean is the restricted mean; ``close`` is 1
        if it was reached within the budget, else 0.
    """
    regret = candidates.regret[shipped]
    until = epochs_until_close(shipped, candidates)
    return {
        "area": area(regret, candidates.epochs),
        **{name: float(regret[point]) for name, point in read_at(candidates.epochs).items()},
        "epochs": min(until, float(len(shipped) - 1)),
        "close": float(math.isfinite(until)),
    }
