"""The winner: its recipe, its learning curves, and the refits' test accuracy."""

from dataclasses import asdict

import numpy as np

from tune_s11.report import facts, figures
from tune_s11.report.contents import Contents
from tune_s11.results import TrialResult, read_refits


def add(contents: Contents) -> None:
    """Adds ``winner``, ``finalists``, ``test`` and ``optimism``; to ``commands`` what finishes the search."""
    contents.numbers |= dict.fromkeys(("winner", "finalists", "test", "optimism"))
    if contents.winner is None:
        contents.leave_out("the winner and its test accuracy", "no trial has come to its end yet")
    else:
        _add_trial(contents, contents.winner)
        _add_refits(contents, contents.winner)
    if contents.numbers["test"] is None and "resume" in contents.commands:
        contents.numbers["commands"]["resume"] = contents.commands["resume"]


def _add_trial(contents: Contents, winner: TrialResult) -> None:
    space = contents.search.config.space
    bounds = facts.max_lr_bounds(space, contents.range_test)
    contents.numbers["winner"] = facts.trial_facts(winner) | {
        "validation_accuracy": winner.score,
        "validation_accuracy_raw": winner.rows[-1].val_accuracy,
        "hardware": winner.hardware.model_dump() if winner.hardware else None,
        "seconds": sum(row.seconds for row in winner.rows),
        "images_per_second": float(np.median([row.images_per_second for row in winner.rows])),
        "recipe": facts.recipe_facts(winner.recipe, space, bounds),
        "epochs": [asdict(row) for row in winner.rows],
    }
    epochs, lrs = facts.schedule_points(winner.recipe, winner.rows)
    if len(winner.rows) > 1:
        contents.draw("changes", "the changes from epoch to epoch", lambda: figures.draw_changes(winner.rows))
    else:
        contents.leave_out("the changes from epoch to epoch", "the winner has one epoch")
    contents.draw("curves", "the learning curves", lambda: figures.draw_learning_curves(winner.rows, epochs, lrs))


def _add_refits(contents: Contents, winner: TrialResult) -> None:
    search = contents.search
    finalists = search.finalists
    contents.numbers["finalists"] = finalists.model_dump(mode="json") if finalists else None
    refits = contents.attempt("the test accuracy", lambda: read_refits(search, winner))
    test = facts.refit_facts(refits, search.config.refit) if refits else None
    contents.numbers["test"] = test
    again = finalists.trials[winner.name].mean if finalists else None
    contents.numbers["optimism"] = facts.optimism(winner.score, again, test)
