"""The search: every trial, how the best score rose, what the workers did, and which parameters mattered."""

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from tune_s11.report import facts, figures
from tune_s11.report.contents import SearchContents
from tune_s11.report.importance import importances
from tune_s11.report.workers import best_so_far, build_timeline, without_times


def add(contents: SearchContents) -> None:
    """Adds ``trials``, ``workers``, ``best_so_far``, ``parameters`` and ``importance``."""
    contents.numbers |= {"workers": None, "best_so_far": None, "parameters": None, "importance": None}
    trials, recipe = contents.search.trials, contents.search.config.recipe
    contents.numbers["trials"] = [facts.trial_facts(trial, contents.target) for trial in facts.ranked(trials)]
    if not any(trial.rows for trial in trials):
        contents.leave_out("the search", "no trial has reported yet")
        return
    best = contents.winner.name if contents.winner else None
    rungs = contents.numbers["search"]["rungs"]
    contents.draw("trials", "the trials' curves", lambda: figures.draw_trials(trials, best, rungs, recipe.epochs))
    contents.attempt("what the workers did", lambda: _add_clock(contents, best))
    contents.attempt("the parameters", lambda: _add_parameters(contents, best))


def _add_clock(contents: SearchContents, best: str | None) -> None:
    trials = contents.search.trials
    timeline = build_timeline(trials)
    if (undated := without_times(trials)) or timeline is None:
        names = ", ".join(trial.name for trial in undated)
        contents.leave_out("the best score so far and what the workers did", f"reports without times, of {names}")
        return
    contents.numbers["workers"] = {
        "sessions": [
            {"workers": lanes, "seconds": seconds}
            for lanes, seconds in zip(timeline.lanes, timeline.lengths, strict=True)
        ],
        "break_seconds": timeline.breaks,
        "busy_seconds": timeline.busy,
        "idle_share": timeline.idle_share,
    }
    contents.draw("timeline", "what the workers did", lambda: figures.draw_timeline(timeline, best))
    points = best_so_far(trials, contents.search.config.recipe.epochs)
    if not any(point["any"] for point in points):
        contents.leave_out("the best score so far", "every trial diverged in its first epoch")
        return
    contents.numbers["best_so_far"] = points
    contents.draw("best_so_far", "the best score so far", lambda: figures.draw_best_so_far(points, best))


def _add_parameters(contents: SearchContents, best: str | None) -> None:
    trials = [trial for trial in contents.search.trials if trial.rows]
    domains = facts.trial_domains(contents.search.config.space, contents.range_test, trials)
    if not domains:
        contents.leave_out("the parameters", "the space is empty: the trials differ in their seeds alone")
        return
    contents.numbers["parameters"] = {name: _plain(domain) for name, domain in domains.items()}
    contents.draw("slices", "the score over each parameter", lambda: figures.draw_slices(trials, domains, best))
    what = "the trials across their parameters"
    if len(domains) > 1:
        contents.draw("parallel", what, lambda: figures.draw_parallel(trials, domains, best))
    else:
        contents.leave_out(what, "only one parameter is searched")
    what = "the parameters' importance"
    contents.numbers["importance"] = found = contents.attempt(what, lambda: importances(trials, domains))
    if found is not None:
        contents.draw("importance", what, lambda: figures.draw_importances(found))


def _plain(domain: BaseDistribution) -> dict[str, Any]:
    if isinstance(domain, CategoricalDistribution):
        return {"choices": list(domain.choices)}
    return {key: getattr(domain, key) for key in ("low", "high", "log")}
