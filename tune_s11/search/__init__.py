"""The search on Ray: cluster, range test, trials, refit."""

from tune_s11.search.cluster import Resources
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.interruption import SearchInterruptedError
from tune_s11.search.session import Session

__all__ = ["Resources", "SearchFailedError", "SearchInterruptedError", "Session"]
