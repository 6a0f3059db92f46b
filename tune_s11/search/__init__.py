"""The search on Ray: cluster, range test, trials, refit."""

from tune_s11.search.interruption import SearchInterruptedError
from tune_s11.search.session import SearchFailedError, Session

__all__ = ["SearchFailedError", "SearchInterruptedError", "Session"]
