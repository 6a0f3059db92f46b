"""Runs a search on Ray: cluster, range test, trials, finalists, refits."""

from tune_s11.search.failures import SearchFailedError
from tune_s11.search.interruption import SearchInterruptedError
from tune_s11.search.session import Session
from tune_s11.search.workers.cluster import Resources

__all__ = ["Resources", "SearchFailedError", "SearchInterruptedError", "Session"]
