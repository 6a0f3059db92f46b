"""What one search trained, and what it would have shipped after each epoch."""

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
    """What a search trained, in the order of time; plain values only, for it is a part of a line of JSON."""

    trials: list[dict[str, Any]] = field(default_factory=list)
    """``params``, ``ema`` (validation accuracy after each epoch, 0 once diverged), ``diverged``."""
    events: list[list[int]] = field(default_factory=list)
    """Pairs of a trial's number and an epoch that it trained; what no trial trained has ``[-1, 0]``."""
    rates: dict[str, Any] | None = None
    """``params`` that a range test gives the defaults, and ``after`` how many epochs; None: there was none."""
    refused: str | None = None
    """Why the arm could not start; None: it could."""


def candidates_of(
    log: Log, epochs: int, quality: Mapping[int, float] | None = None, scale: tuple[float, float] = (1.0, 0.0)
) -> Candidates:
    """Return the trials of one search as candidates, and below them two rows: the defaults at the range test's rates,
    and, as in every :class:`Candidates`, the defaults.

    Args:
        log: Of the search.
        epochs: Length of a complete trial.
        quality: Held-out accuracy from a fresh seed by row, :data:`FALLBACK` for the defaults; others are NaN.
        scale: The best known and the median of the problem's pool.
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
    """Return the row of what the search would ship after 0, 1, ... ``budget`` epochs, (budget + 1,).

    As :func:`benchmarks.race.measures.ship` has it; where that falls back on the defaults, they are shipped at the
    range test's rates, once it has been run.
    """
    events = np.array(log.events, dtype=np.int64).reshape(-1, 2)
    shipped = ship(History(events[:, 0], events[:, 1]), candidates, "ema", budget)
    if log.rates:
        untrained = shipped == FALLBACK
        untrained[: log.rates["after"]] = False
        shipped[untrained] = len(log.trials)
    return shipped
