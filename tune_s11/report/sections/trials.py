"""The search: every trial, how the best score rose, what the workers did, and which parameters mattered."""

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from tune_s11.report import figures, tables
from tune_s11.report.builder import SearchBuilder
from tune_s11.report.importance import importances
from tune_s11.report.timeline import best_so_far, build_timeline, without_times
from tune_s11.results import TrialResult

PLACE = 60
SHOWN_IN = SearchBuilder


def add(report: SearchBuilder) -> None:
    """Add ``trials``, ``workers``, ``best_so_far``, ``parameters`` and ``importance``."""
    report.numbers |= {"workers": None, "best_so_far": None, "parameters": None, "importance": None}
    trials, recipe = report.search.trials, report.search.config.recipe
    report.numbers["trials"] = [tables.trial_facts(trial, report.target) for trial in tables.ranked(trials)]
    if not any(trial.rows for trial in trials):
        report.leave_out("the search", "no trial has reported yet")
        return
    winner = report.winner
    best = winner.name if winner else None
    rungs = report.search.config.policy.rungs
    report.draw("trials", "the trials' curves", lambda: figures.draw_trials(trials, best, rungs, recipe.epochs))
    report.attempt("what the workers did", lambda: _add_clock(report, winner))
    report.attempt("the parameters", lambda: _add_parameters(report, best))


def _add_clock(report: SearchBuilder, winner: TrialResult | None) -> None:
    trials = report.search.trials
    timeline = build_timeline(trials)
    if (undated := without_times(trials)) or timeline is None:
        names = ", ".join(trial.name for trial in undated)
        report.leave_out("the best score so far and what the workers did", f"some reports have no times: {names}")
        return
    report.numbers["workers"] = {
        "sessions": [
            {"workers": lanes, "seconds": seconds}
            for lanes, seconds in zip(timeline.lanes, timeline.lengths, strict=True)
        ],
        "break_seconds": timeline.breaks,
        "busy_seconds": timeline.busy,
        "idle_share": timeline.idle_share,
    }
    report.draw(
        "timeline", "what the workers did", lambda: figures.draw_timeline(timeline, winner.name if winner else None)
    )
    points = best_so_far(trials, report.search.config.recipe.epochs)
    if not any(point["any"] for point in points):
        report.leave_out("the best score so far", "every trial diverged in its first epoch")
        return
    report.numbers["best_so_far"] = points
    report.draw("best_so_far", "the best score so far", lambda: figures.draw_best_so_far(points, winner))


def _add_parameters(report: SearchBuilder, best: str | None) -> None:
    trials = [trial for trial in report.search.trials if trial.rows]
    domains = tables.trial_domains(report.search.config.space, report.range_test, trials)
    if not domains:
        report.leave_out("the parameters", "the space is empty: the trials differ only in their seeds")
        return
    report.numbers["parameters"] = {name: _plain(domain) for name, domain in domains.items()}
    report.draw("slices", "the score over each parameter", lambda: figures.draw_slices(trials, domains, best))
    what = "the trials across their parameters"
    if len(domains) > 1:
        report.draw("parallel", what, lambda: figures.draw_parallel(trials, domains, best))
    else:
        report.leave_out(what, "only one parameter is searched")
    what = "the parameters' importance"
    report.numbers["importance"] = found = report.attempt(what, lambda: importances(trials, domains))
    if found is not None:
        report.draw("importance", what, lambda: figures.draw_importances(found))


def _plain(domain: BaseDistribution) -> dict[str, Any]:
    if isinstance(domain, CategoricalDistribution):
        return {"choices": list(domain.choices)}
    return {key: getattr(domain, key) for key in ("low", "high", "log")}
