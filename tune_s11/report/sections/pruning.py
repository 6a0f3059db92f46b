"""Pruning: how well ranks at the rungs predict final ranks, and how much the audit estimates was lost."""

from tune_s11.report.builder import SearchBuilder
from tune_s11.report.ranking import finalists_lost, rung_correlations

PLACE = 70
SHOWN_IN = SearchBuilder


def add(report: SearchBuilder) -> None:
    """Add ``pruning``; it is None without rungs."""
    search, rungs = report.search, report.search.config.policy.rungs
    report.numbers["pruning"] = None
    if rungs:
        report.numbers["pruning"] = {
            "rungs": rung_correlations(search.trials, rungs),
            "audit": finalists_lost(search.trials, search.audit, search.places),
        }
