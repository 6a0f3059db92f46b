"""Log of what one search trained, and what it would have shipped after each epoch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.race.candidates import FALLBACK, Candidates, History
from benchmarks.race.measures import ship
from benchmarks.race.pool import Ints
from benchmarks.race.problems import defaults


@dataclass
class Log:
    """A chronological log of what a search trained, in plain values because it becomes part of a line of JSON."""

    trials: list[dict[str, Any]] = field(default_factory=list)
    """Trials with ``params``, ``ema`` (validation accuracy after each epoch, 0 once diverged) and ``diverged``."""
    events: list[list[int]] = field(default_factory=list)
    """Epochs as pairs of the trial's number and the epoch's; ``[-1, 0]`` for an epoch that belongs to no trial."""
    rates: dict[str, Any] | None = None
    """Defaults at the range test's rates as ``params``, and the epochs spent before as ``after``; None: no range
    test."""
    refused: str | None = None
    """Reason why the arm could not start; None: it did start."""


def candidates_of(
    log: Log, epochs: int, quality: Mapping[int, float] | None = None, scale: tuple[float, float] = (1.0, 0.0)
) -> Candidates:
    """Return the trials of one search as candidates, followed by two more rows.

    The first of these holds the defaults at the range test's rates. The last holds the defaults, as in every
    :class:`Candidates`.

    Args:
        log: Log of the search.
        epochs: Epochs of a complete trial.
        quality: Held-out accuracy from a fresh seed by row, with :data:`FALLBACK` for the defaults; NaN for the other
            rows.
        scale: Best known and median quality of the problem's pool.
    """
    rates = log.rates["params"] if log.rates else defaults()
    lines = [*log.trials, {"params": rates, "ema": []}, {"params": defaults(), "ema": []}]
    rows = [*range(len(lines) - 1), FALLBACK]
    ema = np.zeros((len(lines), epochs))
    for values, line in zip(ema, lines, strict=True):
        values[: len(line["ema"])] = line["ema"]
    return Candidates(
        [line["params"] for line in lines],
        {"ema": ema},
        np.array([len(line["ema"]) for line in lines]),
        np.array([line.get("diverged", False) for line in lines]),
        np.array([(quality or {}).get(row, math.nan) for row in rows]),
        *scale,
    )


def ship_of(log: Log, candidates: Candidates, budget: int) -> Ints:
    """Return the row that the search would ship after 0, 1, ... ``budget`` epochs, (budget + 1,).

    See :func:`benchmarks.race.measures.ship`. Where that falls back on the defaults, they are shipped at the range
    test's rates once it has run.
    """
    events = np.array(log.events, dtype=np.int64).reshape(-1, 2)
    shipped = ship(History(events[:, 0], events[:, 1]), candidates, "ema", budget)
    if log.rates:
        untrained = shipped == FALLBACK
        untrained[: log.rates["after"]] = False
        shipped[untrained] = len(log.trials)
    return shipped
