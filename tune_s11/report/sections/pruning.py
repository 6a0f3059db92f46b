"""Could pruning be trusted? What each rung's ranks told of the end, and what the audit says was cut."""

from tune_s11.report.builder import SearchBuilder
from tune_s11.report.ranking import finalists_lost, rung_correlations


def add(report: SearchBuilder) -> None:
    """Adds ``pruning``: None without rungs."""
    search, rungs = report.search, report.numbers["search"]["rungs"]
    report.numbers["pruning"] = None
    if rungs:
        report.numbers["pruning"] = {
            "rungs": rung_correlations(search.trials, rungs),
            "audit": finalists_lost(search.trials, search.audit, search.config.search.finalists),
        }
