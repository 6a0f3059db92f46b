"""What replayed arms choose from, and the one loop that replays them all: one trial at a time, in a given order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.race.pool import Bools, Floats, Ints, Pool
from tune_s11.config import InputError
from tune_s11.pruning import Verdicts

FALLBACK = -1
"""Row of the defaults where no trial of them counts. As an index it is the last row, so the arrays need no case."""


@dataclass(frozen=True)
class Candidates:
    """The ``n`` configurations of a pool, and in one more row, the last, the recipe's defaults."""

    configs: list[dict[str, float]]
    """Of all rows, (n + 1)."""
    signals: dict[str, Floats]
    """Validation accuracy after each epoch, (n + 1, epochs), of ``raw`` and ``ema`` weights; 0 once diverged."""
    epochs_run: Ints
    """Epochs until a trial finishes or diverges, (n + 1,)."""
    diverged: Bools
    """Which trials diverge, (n + 1,)."""
    quality: Floats
    """Held-out accuracy of the EMA weights, (n + 1,): over fresh seeds where they are recorded, else of one run."""
    best_known: float
    """The pool's; the defaults have no part in it."""
    median: float
    """Of the pool's quality."""

    @property
    def n(self) -> int:
        """Configurations of the pool, and the row of the defaults."""
        return len(self.configs) - 1

    @property
    def epochs(self) -> int:
        """Length of a complete trial."""
        return int(self.signals["ema"].shape[1])

    @property
    def regret(self) -> Floats:
        """Share of the way from the best known down to the median, (n + 1,); negative above the best known."""
        return (self.best_known - self.quality) / (self.best_known - self.median)


def join(pool: Pool, defaults: Pool) -> Candidates:
    """Join a pool and the pool of one that :func:`benchmarks.race.pool.read_defaults` returns.

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
    """What a search trained, epoch by epoch, (spent,)."""

    rows: Ints
    """Whose epoch it was; :data:`FALLBACK` where it was no trial's."""
    epochs: Ints
    """Which epoch of it, from 1; 0 where it was no trial's."""


def replay(candidates: Candidates, signal: Floats, drawn: Iterable[int], verdicts: Verdicts, budget: int) -> History:
    """Train one trial after another as recorded until the budget is spent, or until nothing is left to draw.

    A trial that diverges reports that epoch, with a score of 0, as it does in the program: rungs count it.

    Args:
        candidates: What there is.
        signal: One of its signals: what the trials report.
        drawn: Rows in the order in which they are tried.
        verdicts: Who continues.
        budget: Epochs.
    """
    rows: list[int] = []
    epochs: list[int] = []
    for row in drawn:
        for epoch in range(1, int(candidates.epochs_run[row]) + 1):
            if len(rows) == budget:
                return History(np.array(rows), np.array(epochs))
            rows.append(row)
            epochs.append(epoch)
            if not verdicts.keeps(row, epoch, float(signal[row, epoch - 1])):
                break
    return History(np.array(rows, dtype=np.int64), np.array(epochs, dtype=np.int64))
