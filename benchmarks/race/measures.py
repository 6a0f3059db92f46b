"""How good what an arm would ship is, after every epoch spent, and the figures that sum that up."""

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import sem, t

from benchmarks.race.candidates import FALLBACK, Candidates, History
from benchmarks.race.difficulty import MARGIN
from benchmarks.race.pool import Floats, Ints

TRIALS = 20
"""The largest budget, in complete trials."""
PARTS = (8, 4, 2, 1)
"""The regret is read where the largest budget over each of these is spent."""

_ROUNDING = 1e-9
"""Accuracies are recorded with four digits: on the line is close."""


def ship(history: History, candidates: Candidates, metric: str, budget: int) -> Ints:
    """Return the row of what an arm would ship after 0, 1, ... ``budget`` epochs, (budget + 1,).

    That is the complete trial that is best by the arm's metric; before there is one, the trial trained farthest, among
    several the best after that epoch; before there is any that has not diverged, the defaults, as :data:`FALLBACK`. Of
    equals it is the first. Where the history is shorter than the budget, nothing changes after it.
    """
    signal = candidates.signals[metric]
    shipped = np.full(budget + 1, FALLBACK)
    best, leader = -1.0, FALLBACK
    partial: dict[int, tuple[int, float]] = {}
    for spent, (row, epoch) in enumerate(zip(history.rows.tolist(), history.epochs.tolist(), strict=True), start=1):
        score = float(signal[row, epoch - 1])
        if epoch == 0:
            pass  # It was spent on no trial.
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
        regret: After 0, 1, ... epochs; each value holds until the next epoch is spent.
        start: Epochs at which the area starts; it reaches to the last value, which has no width.
    """
    epochs = np.arange(start, len(regret))
    widths = np.diff(np.log(epochs))
    return float((regret[start:-1] * widths).sum() / widths.sum())


def epochs_until_close(shipped: Ints, candidates: Candidates) -> float:
    """Return the epochs spent until what is shipped is within a point of the best known; infinite where it never is.

    The defaults count where the arm has a trial of them, and not where it ships them for want of any.
    """
    close = candidates.quality[shipped] >= candidates.best_known - MARGIN - _ROUNDING
    trained = (shipped != FALLBACK) & (candidates.epochs_run[shipped] > 0)
    found = np.flatnonzero(close & trained)
    return float(found[0]) if len(found) else math.inf


class Estimate(NamedTuple):
    """A mean over orders or repeats, and Student's 95% interval.

    Orders redraw one pool: their interval says nothing of another pool, or of other training seeds.
    """

    mean: float
    low: float
    high: float


def estimate(values: Floats) -> Estimate:
    """Return the mean over orders or repeats, (n,); of a single one the interval is NaN."""
    n = len(values)
    mean = float(values.mean())
    half = math.nan if n < 2 else float(t.ppf(0.975, n - 1) * sem(values))
    return Estimate(mean, mean - half, mean + half)


def budget_of(candidates: Candidates) -> int:
    """Return the largest budget in epochs."""
    return TRIALS * candidates.epochs


def read_at(epochs: int) -> dict[str, int]:
    """Return the epochs at which the regret is read, by the name of the figure, rising.

    Args:
        epochs: Length of a complete trial.
    """
    points = [TRIALS * epochs // part for part in PARTS]
    return {f"regret_{point}": point for point in points}


def measure(shipped: Ints, candidates: Candidates) -> dict[str, float]:
    """Return the figures of one search: ``area``, ``regret_<epochs>`` at each budget, and ``epochs`` until close.

    Args:
        shipped: As :func:`ship` returns it.
        candidates: What was chosen from.

    Returns:
        ``epochs`` is censored at the budget, so that its mean is the restricted mean; ``close`` is 1 where it was
        reached within the budget, else 0.
    """
    regret = candidates.regret[shipped]
    until = epochs_until_close(shipped, candidates)
    return {
        "area": area(regret, candidates.epochs),
        **{name: float(regret[point]) for name, point in read_at(candidates.epochs).items()},
        "epochs": min(until, float(len(shipped) - 1)),
        "close": float(math.isfinite(until)),
    }
