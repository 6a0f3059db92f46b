"""The winner: its recipe, its learning curves, and the refits' test accuracy."""

from dataclasses import asdict

import numpy as np

from tune_s11.report import tables
from tune_s11.report.builder import SearchBuilder, Tested
from tune_s11.report.sections.training import draw_curves
from tune_s11.results import TrialResult, read_refits


def add(report: SearchBuilder) -> None:
    """Adds ``winner``, ``finalists``, ``test`` and ``optimism``; to ``commands`` what finishes the search."""
    report.numbers |= dict.fromkeys(("winner", "finalists", "test", "optimism"))
    if report.winner is None:
        report.leave_out("the winner and its test accuracy", "no trial has come to its end yet")
    else:
        _add_trial(report, report.winner)
        _add_refits(report, report.winner)
    if report.numbers["test"] is None and "resume" in report.commands:
        report.numbers["commands"]["resume"] = report.commands["resume"]


def _add_trial(report: SearchBuilder, winner: TrialResult) -> None:
    space = report.search.config.space
    bounds = tables.max_lr_bounds(space, report.range_test)
    report.numbers["winner"] = tables.trial_facts(winner) | {
        "validation_accuracy": winner.score,
        "validation_accuracy_raw": winner.rows[-1].val_accuracy,
        "hardware": winner.hardware.model_dump() if winner.hardware else None,
        "seconds": sum(row.seconds for row in winner.rows),
        "images_per_second": float(np.median([row.images_per_second for row in winner.rows])),
        "recipe": tables.recipe_facts(winner.recipe, space, bounds),
        "epochs": [asdict(row) for row in winner.rows],
    }
    draw_curves(report, winner.recipe, winner.rows)


def _add_refits(report: SearchBuilder, winner: TrialResult) -> None:
    search = report.search
    finalists = search.finalists
    report.numbers["finalists"] = finalists.model_dump(mode="json") if finalists else None
    refits = report.attempt("the test accuracy", lambda: read_refits(search, winner))
    test = tables.refit_facts(refits, search.config.refit) if refits else None
    report.numbers["test"] = test
    if refits is not None:
        seeds = [run.seed for run in refits.runs]
        first, *others = map(search.folder.refit, seeds)
        report.tested = Tested(first, search.config.refit.applied_to(winner.recipe), seeds[0], tuple(others))
    again = finalists.trials[winner.name].mean if finalists else None
    report.numbers["optimism"] = tables.optimism(winner.score, again, test)
