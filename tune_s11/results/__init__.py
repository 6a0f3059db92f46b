"""Reads and writes searches and single runs on disk: their files and their records. Needs no Ray."""

from tune_s11.results.folder import SearchFolder, trial_name
from tune_s11.results.opening import NoSearchError, find_search
from tune_s11.results.runs import RunResult
from tune_s11.results.search import (
    NotRefitError,
    NoWinnerError,
    SearchResult,
    load_result,
    load_search,
    places_after,
    read_refits,
)
from tune_s11.results.trials import Span, State, TrialResult, last_error, read_trials

__all__ = [
    "NoSearchError",
    "NoWinnerError",
    "NotRefitError",
    "RunResult",
    "SearchFolder",
    "SearchResult",
    "Span",
    "State",
    "TrialResult",
    "find_search",
    "last_error",
    "load_result",
    "load_search",
    "places_after",
    "read_refits",
    "read_trials",
    "trial_name",
]
