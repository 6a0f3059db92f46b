"""The head of a search's report: its result, its progress, its cost, and how to resume it."""

from collections import Counter

from tune_s11.report import tables
from tune_s11.report.builder import SearchBuilder
from tune_s11.report.timeline import refits_cost, trial_seconds, trials_cost

PLACE = 10
SHOWN_IN = SearchBuilder


def add(report: SearchBuilder) -> None:
    """Add ``search``, ``cost`` and ``commands``."""
    search, numbers = report.search, report.numbers
    trials, recipe, settings = search.trials, search.config.recipe, search.config.search
    numbers["search"] = {
        "name": search.path.name,
        "samples": settings.samples,
        "started": len(trials),
        "states": dict(Counter(trial.state for trial in trials)),
        "trial_epochs": recipe.epochs,
        "weights": recipe.weights,
        "scheduler": settings.scheduler,
        "rungs": list(search.config.policy.rungs),
        "epochs": tables.epoch_counts(trials),
        "seconds": sum(trial_seconds(trial) for trial in trials),
    }
    numbers["cost"] = {"trials": trials_cost(trials), "refits": None}
    used = next((trial.hardware for trial in trials if trial.hardware), None)
    if used is not None and search.folder.best.exists():
        refits = search.folder.refits()
        numbers["cost"]["refits"] = report.attempt("the refits' cost", lambda: refits_cost(refits, used))
    numbers["commands"] = {name: report.commands[name] for name in ("search", "winner") if name in report.commands}
