"""The winner: its recipe, its learning curves, and the refits' test accuracy."""

from dataclasses import asdict

import numpy as np

from tune_s11.report import facts
from tune_s11.report.contents import SearchContents, Tested
from tune_s11.report.sections.training import draw_curves
from tune_s11.results import TrialResult, read_refits


def add(contents: SearchContents) -> None:
    """Adds ``winner``, ``finalists``, ``test`` and ``optimism``; to ``commands`` what finishes the search."""
    contents.numbers |= dict.fromkeys(("winner", "finalists", "test", "optimism"))
    if contents.winner is None:
        contents.leave_out("the winner and its test accuracy", "no trial has come to its end yet")
    else:
        _add_trial(contents, contents.winner)
        _add_refits(contents, contents.winner)
    if contents.numbers["test"] is None and "resume" in contents.commands:
        contents.numbers["commands"]["resume"] = contents.commands["resume"]


def _add_trial(contents: SearchContents, winner: TrialResult) -> None:
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
    draw_curves(contents, winner.recipe, winner.rows)


def _add_refits(contents: SearchContents, winner: TrialResult) -> None:
    search = contents.search
    finalists = search.finalists
    contents.numbers["finalists"] = finalists.model_dump(mode="json") if finalists else None
    refits = contents.attempt("the test accuracy", lambda: read_refits(search, winner))
    test = facts.refit_facts(refits, search.config.refit) if refits else None
    contents.numbers["test"] = test
    if refits is not None:
        seeds = [run.seed for run in refits.runs]
        first, *others = map(search.folder.refit, seeds)
        contents.tested = Tested(first, search.config.refit.applied_to(winner.recipe), seeds[0], tuple(others))
    again = finalists.trials[winner.name].mean if finalists else None
    contents.numbers["optimism"] = facts.optimism(winner.score, again, test)
