"""The head of a search's report: its result, its progress, its cost, and how to resume it."""

from collections import Counter
from functools import partial

from tune_s11.report import tables
from tune_s11.report.builder import SearchBuilder
from tune_s11.report.timeline import runs_cost, trial_seconds, trials_cost

PLACE = 10
SHOWN_IN = SearchBuilder


def add(report: SearchBuilder) -> None:
    """Add ``search``, ``cost`` and ``commands``."""
    search, numbers = report.search, report.numbers
    trials, recipe, settings = search.trials, search.config.recipe, search.config.search
    numbers["search"] = {
        "name": search.name,
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
    numbers["cost"] = {"trials": trials_cost(trials), "repeated": None, "refits": None}
    used = next((trial.hardware for trial in trials if trial.hardware), None)
    for part, owners, runs in (
        ("repeated", "the finalists'", list(search.folder.repeated())),
        ("refits", "the refits'", list(search.folder.refits())),
    ):
        if used is not None and runs:
            numbers["cost"][part] = report.attempt(f"{owners} cost", partial(runs_cost, runs, used))
    numbers["commands"] = {name: report.commands[name] for name in ("search", "winner") if name in report.commands}
