"""Accuracy against cost: the best recipe for each number of epochs that the search has tried."""

from collections.abc import Iterable
from typing import Any

from tune_s11.report import figures
from tune_s11.report.builder import SearchBuilder
from tune_s11.results.lr_range import RangeTest
from tune_s11.results.records import Lengths, Summary
from tune_s11.results.search import SearchResult

PLACE = 25
SHOWN_IN = SearchBuilder


def add(report: SearchBuilder) -> None:
    """Add ``lengths``; it is None before a trial is complete, or if there is neither a target nor a second length."""
    report.numbers["lengths"] = None
    search, found = report.search, report.search.lengths
    rows = best_of_each(search, report.range_test if search.folder.range_test.exists() else None, found)
    if report.winner is None or (len(rows) < 2 and found is None):
        return
    judged = {"target": None, "fewest": None, "confidence": None}
    if found is not None:
        judged = found.model_dump(include={*judged})
    report.numbers["lengths"] = {"rows": rows} | judged
    target = judged["target"]
    if len(rows) > 1:
        report.draw("lengths", "accuracy over the length of training", lambda: figures.draw_lengths(rows, target))


def best_of_each(search: SearchResult, measured: RangeTest | None, lengths: Lengths | None) -> list[dict[str, Any]]:
    """Return the best recipe for each number of epochs, the fewest first.

    Runs of the winner from several seeds take precedence over single runs, whose accuracy is inflated by luck.

    Args:
        search: The search.
        measured: Its range test; None if there is none.
        lengths: Lengths that were tried for a target; None if there are none.

    Returns:
        Rows with ``epochs``, ``accuracy`` (mean, sd and n of the validation accuracy), ``low`` (its lower confidence
        limit, or None), ``max_lr`` and ``by``: ``range test``, ``trials``, ``finalists`` or ``target``.
    """
    winner, verdict = search.winner, search.finalists
    rows = [*_of_cycles(measured)] if measured is not None else []
    if winner is not None and winner.score is not None:
        accuracy, by = Summary.of([winner.score]), "trials"
        if verdict is not None:
            accuracy, by = Summary.of(verdict.trials[winner.name].scores), "finalists"
        rows.append(_row(winner.recipe.epochs, accuracy, winner.recipe.max_lr, by))
        for tried in lengths.tried if lengths is not None else ():
            accuracy = Summary.of(list(tried.scores.values()))
            rows.append(_row(tried.epochs, accuracy, winner.recipe.max_lr, "target", tried.low))
    best = {row["epochs"]: row for row in rows}  # of several rows, the last
    return [best[epochs] for epochs in sorted(best)]


def _of_cycles(measured: RangeTest) -> Iterable[dict[str, Any]]:
    best: dict[int, tuple[float, float, float]] = {}
    for cycle, outcome in measured.cycles.items():
        if outcome.accuracy is not None and outcome.loss is not None:
            found = outcome.accuracy, -outcome.loss, cycle.max_lr  # of equal accuracies, the lower loss
            best[cycle.epochs] = max(best.get(cycle.epochs, found), found)
    return (_row(epochs, Summary.of([score]), max_lr, "range test") for epochs, (score, _, max_lr) in best.items())


def _row(epochs: int, accuracy: Summary, max_lr: float, by: str, low: float | None = None) -> dict[str, Any]:
    return {"epochs": epochs, "accuracy": accuracy.model_dump(), "low": low, "max_lr": max_lr, "by": by}
