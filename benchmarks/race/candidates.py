"""Candidates that replayed arms choose from, and the loop that replays one trial at a time in a given order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.race.pool import Bools, Floats, Ints, Pool
from tune_s11.config import InputError
from tune_s11.pruning import Verdicts

FALLBACK = -1
"""Row that stands for the defaults where no trial has them. As an index it selects the last row, which holds the
defaults, so the arrays need no special case."""


@dataclass(frozen=True)
class Candidates:
    """The ``n`` configurations of a pool, followed by one more row with the recipe's defaults."""

    configs: list[dict[str, float]]
    """Configurations of all rows, (n + 1,)."""
    signals: dict[str, Floats]
    """Validation accuracy of ``raw`` and ``ema`` weights after each epoch, (n + 1, epochs); 0 once diverged."""
    epochs_run: Ints
    """Epochs until each trial finishes or diverges, (n + 1,)."""
    diverged: Bools
    """Whether each trial diverges, (n + 1,)."""
    quality: Floats
    """Held-out accuracy of the EMA weights, (n + 1,): mean over fresh seeds if they are recorded, else of one run."""
    best_known: float
    """Best known quality in the pool, without the defaults."""
    median: float
    """Median of the pool's quality, without the defaults."""

    @property
    def n(self) -> int:
        """Number of configurations in the pool, and row of the defaults."""
        return len(self.configs) - 1

    @property
    def epochs(self) -> int:
        """Epochs of a complete trial."""
        return int(self.signals["ema"].shape[1])

    @property
    def regret(self) -> Floats:
        """Share of the distance from the best known quality down to the median, (n + 1,); negative above the best."""
        return (self.best_known - self.quality) / (self.best_known - self.median)


def join(pool: Pool, defaults: Pool) -> Candidates:
    """Join a pool and the pool of the defaults that :func:`benchmarks.race.pool.read_defaults` returns.

    Raises:
        InputError: The pool's median is as good as its best, so there is no scale for regret.
    """
    median = float(np.median(pool.quality))
    if median >= pool.best_known:
        raise InputError(f"the pool's median, {median:.4f}: must be less than its best, {pool.best_known:.4f}")
    return Candidates(
        [*pool.configs, *defaults.configs],
        {"raw": np.vstack([pool.raw, defaults.raw]), "ema": np.vstack([pool.ema, defaults.ema])},
        np.append(pool.epochs_run, defaults.epochs_run),
        np.append(pool.diverged, defaults.diverged),
        np.append(pool.quality, defaults.quality),
        pool.best_known,
        median,
    )


class History(NamedTuple):
    """Epochs that a search spent, in order."""

    rows: Ints
    """Row that each epoch belongs to, (spent,); :data:`FALLBACK` for an epoch of no trial."""
    epochs: Ints
    """Number of each epoch within its trial, from 1, (spent,); 0 for an epoch of no trial."""


def replay(candidates: Candidates, signal: Floats, drawn: Iterable[int], verdicts: Verdicts, budget: int) -> History:
    """Replay one recorded trial after another until the budget is spent or nothing is left to draw.

    A trial that diverges reports a score of 0 for that epoch, as in the program, so the rungs count it.

    Args:
        candidates: Candidates to replay.
        signal: Signal of the candidates that the trials report, (n + 1, epochs).
        drawn: Rows in the order in which they are tried.
        verdicts: Verdicts on which trials continue.
        budget: Epochs to spend.
    """
    rows: list[int] = []
    epochs: list[int] = []
    for row in drawn:
        for epoch in range(1, int(candidates.epochs_run[row]) + 1):
            if len(rows) == budget:
                return _history(rows, epochs)
            rows.append(row)
            epochs.append(epoch)
            if not verdicts.keeps(row, epoch, float(signal[row, epoch - 1])):
                break
    return _history(rows, epochs)


def _history(rows: list[int], epochs: list[int]) -> History:
    return History(np.array(rows, dtype=np.int64), np.array(epochs, dtype=np.int64))  # both may be empty
