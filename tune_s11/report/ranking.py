"""Measures whether early ranks predict final ones, as pruning assumes, and estimates what pruning has lost."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest, rankdata

from tune_s11.lr_range.curve import Floats
from tune_s11.results import TrialResult
from tune_s11.results.records import AuditRecord

RESAMPLES = 2000
"""Resamples of the bootstrap."""

WEIGHTS = {"averaged": "score", "raw": "val_accuracy"}
"""Metrics that a rung could rank by: attributes of an epoch's row, keyed by the weights that are validated."""


def spearman(x: Floats, y: Floats) -> Floats:
    """Return Spearman's rank correlation along the last axis; equal values share their mean rank (Spearman 1904).

    It computes many correlations at once, which scipy's own function does not do.

    Args:
        x: First values, (..., n).
        y: Second values, (..., n).

    Returns:
        Correlations in [-1, 1], (...); NaN where all of ``x`` or all of ``y`` are equal.
    """
    ranks_x, ranks_y = (rankdata(values, axis=-1) - (values.shape[-1] + 1) / 2 for values in (x, y))
    spread = np.sqrt((ranks_x**2).sum(-1) * (ranks_y**2).sum(-1))
    rho: Floats = np.divide((ranks_x * ranks_y).sum(-1), spread, out=np.full(spread.shape, np.nan), where=spread > 0)
    return rho


def correlation(x: Floats, y: Floats) -> dict[str, Any]:
    """Return Spearman's rank correlation with its percentile bootstrap interval (Efron 1979), from seed 0.

    With few pairs, some draws have only equal values. scipy's bootstrap, which draws the same, gives no interval then.

    Args:
        x: First values, (n,).
        y: Second values, (n,).

    Returns:
        ``n``; ``rho``, None for fewer than 3 pairs or if all values are equal; ``low`` and ``high``, the 95 % interval
        over :data:`RESAMPLES` draws of n pairs, without draws of equal values; None for fewer than 4 pairs.
    """
    n = len(x)
    found: dict[str, Any] = {"n": n, "rho": None, "low": None, "high": None}
    if n < 3 or not np.isfinite(rho := float(spearman(x, y))):
        return found
    found["rho"] = rho
    if n >= 4:
        drawn = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
        low, high = np.nanpercentile(spearman(x[drawn], y[drawn]), [2.5, 97.5])
        found |= {"low": float(low), "high": float(high)}
    return found


def rung_correlations(trials: Sequence[TrialResult], rungs: Sequence[int]) -> list[dict[str, Any]]:
    """Return how well each rung's ranks predict the final score, among the trials that ran to the end.

    For either kind of weights, the final score is the validation accuracy of the shipped weights after the last epoch,
    because the winner is chosen by it. Trials that the rung stopped ranked low and have no final score, so the
    correlation is usually lower than it would be over all trials (range restriction; Thorndike, Case 1).

    Returns:
        One row per rung: ``epoch``, ``reached`` and ``stopped`` (numbers of trials), and a :func:`correlation` for each
        of :data:`WEIGHTS`.
    """
    complete = [trial for trial in trials if trial.state == "complete"]
    table = []
    for rung in rungs:
        pairs = [(row, trial.rows[-1]) for trial in complete for row in trial.rows if row.epoch == rung]
        final = np.array([last.score for _, last in pairs])
        line: dict[str, Any] = {
            "epoch": rung,
            "reached": sum(any(row.epoch == rung and not row.diverged for row in trial.rows) for trial in trials),
            "stopped": sum(trial.epoch == rung and trial.state == "pruned" for trial in trials),
        }
        for weights, key in WEIGHTS.items():
            line[weights] = correlation(np.array([getattr(row, key) for row, _ in pairs]), final)
        table.append(line)
    return table


def finalists_lost(trials: Sequence[TrialResult], audit: AuditRecord | None, finalists: int) -> dict[str, Any]:
    """Estimate, from the audited trials, how many of the trials that rungs stopped would have ended among the best.

    Each trial to be stopped had the same chance of being audited, so the share among the audited trials estimates the
    share among all, and the weight of each is one over that chance (Horvitz and Thompson 1952). The 95 % interval is
    that of Clopper and Pearson (1934), which is valid for few trials.

    Args:
        trials: Trials of the search.
        audit: See :attr:`tune_s11.results.SearchResult.audit`.
        finalists: Number of trials that count as the best; 0 and 1: the winner alone.

    Returns:
        ``to_be_stopped`` and ``audited`` (numbers of trials, without those still running), ``threshold`` (the final
        score of the last of the best among the trials that no rung would have stopped), ``found`` (number of audited
        trials at or above it), their ``share`` with ``low`` and ``high``, the ``estimate`` in trials, ``extra_epochs``
        (epochs of the audited trials after their rungs), their ``trials`` with the rung that each passed and, if
        nothing can be estimated, the reason ``why``.
    """
    passed = audit.trials if audit else {}
    ended = [trial for trial in trials if trial.name in passed and trial.state in {"complete", "diverged"}]
    let_through = sorted(
        (trial.score or 0.0 for trial in trials if trial.state == "complete" and trial.name not in passed), reverse=True
    )
    result: dict[str, Any] = dict.fromkeys(("threshold", "found", "share", "low", "high", "estimate", "why"))
    result |= {
        "trials": passed,
        "to_be_stopped": sum(trial.state == "pruned" for trial in trials) + len(ended),
        "audited": len(ended),
        "extra_epochs": sum(trial.epoch - passed[trial.name] for trial in trials if trial.name in passed),
    }
    if not ended or not let_through:
        result["why"] = (
            "no trial continued past a rung that would have stopped it" if not ended else "no other trial is complete"
        )
        return result
    threshold = let_through[: max(1, finalists)][-1]
    n, found = len(ended), sum((trial.score or 0.0) >= threshold for trial in ended)
    interval = binomtest(found, n).proportion_ci(0.95)
    return result | {
        "threshold": threshold,
        "found": found,
        "share": found / n,
        "low": float(interval.low),
        "high": float(interval.high),
        "estimate": found / n * result["to_be_stopped"],
    }
