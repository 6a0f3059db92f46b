"""Could pruning be trusted? What each rung's ranks told of the end, and what the audit says was cut."""

from tune_s11.report.contents import SearchContents
from tune_s11.report.ranking import finalists_lost, rung_correlations


def add(contents: SearchContents) -> None:
    """Adds ``pruning``: None without rungs."""
    search, rungs = contents.search, contents.numbers["search"]["rungs"]
    contents.numbers["pruning"] = None
    if rungs:
        contents.numbers["pruning"] = {
            "rungs": rung_correlations(search.trials, rungs),
            "audit": finalists_lost(search.trials, search.audit, search.config.search.finalists),
        }
