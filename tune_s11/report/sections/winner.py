"""The winner: its recipe, the finalists that it was chosen from, and the refits' test accuracy."""

from dataclasses import asdict

import numpy as np

from tune_s11.report import tables
from tune_s11.report.builder import SearchBuilder
from tune_s11.results import TrialResult

PLACE = 20
SHOWN_IN = SearchBuilder


def add(report: SearchBuilder) -> None:
    """Add ``winner`` or ``why_no_winner``, ``finalists``, ``test``, ``optimism``, and the command that goes on."""
    report.numbers |= dict.fromkeys(("winner", "why_no_winner", "finalists", "test", "optimism"))
    if report.winner is None:
        report.numbers["why_no_winner"] = report.search.why_no_winner
        report.leave_out("the winner and its test accuracy", report.search.why_no_winner)
    else:
        _add_trial(report, report.winner)
        _add_refits(report, report.winner)
    if report.numbers["test"] is None and "resume" in report.commands and not report.search.hopeless:
        report.numbers["commands"]["resume"] = report.commands["resume"]


def _add_trial(report: SearchBuilder, winner: TrialResult) -> None:
    space = report.search.config.space
    bounds = tables.max_lr_bounds(space, report.range_test, winner.recipe.momentum)
    report.numbers["winner"] = tables.trial_facts(winner) | {
        "validation_accuracy": winner.score,
        "validation_accuracy_raw": winner.rows[-1].val_accuracy,
        "hardware": winner.hardware.model_dump() if winner.hardware else None,
        "seconds": sum(row.seconds for row in winner.rows),
        "images_per_second": float(np.median([row.images_per_second for row in winner.rows])),
        "recipe": tables.recipe_facts(winner.recipe, space, bounds),
        "epochs": [asdict(row) for row in winner.rows],
    }


def _add_refits(report: SearchBuilder, winner: TrialResult) -> None:
    finalists, refits = report.search.finalists, report.refits
    report.numbers["finalists"] = finalists.model_dump(mode="json") if finalists else None
    test = tables.refit_facts(refits, winner.recipe) if refits else None
    report.numbers["test"] = test
    again = finalists.trials[winner.name].mean if finalists else None
    report.numbers["optimism"] = tables.optimism(winner.score, again, test)
