"""The train/test curve of the first refit, measured once the recipe was frozen."""

from dataclasses import asdict

from tune_s11.report import facts, figures
from tune_s11.report.contents import Contents
from tune_s11.report.refit import read_refit_curve


def add(contents: Contents) -> None:
    """Adds ``test_curve``."""
    contents.numbers["test_curve"] = None
    refit = contents.numbers["test"]
    if contents.winner is None or refit is None:
        return
    seed = refit["runs"][0]["seed"]
    folder = contents.search.folder.refit(seed)
    rows = contents.attempt("the refit's test curve", lambda: read_refit_curve(folder))
    if rows is None:
        return
    contents.numbers["test_curve"] = {"seed": seed, "epochs": [asdict(row) for row in rows]}
    if lacking := [str(row.epoch) for row in rows if row.test_accuracy is None]:
        why = f"{folder.test_curve} lacks epoch {', '.join(lacking)}"
        contents.leave_out("a part of the refit's test curve", why)
    epochs, lrs = facts.schedule_points(contents.search.config.refit.applied_to(contents.winner.recipe), rows)
    contents.draw(
        "test_curve",
        "the refit's test curve",
        lambda: figures.draw_learning_curves(rows, epochs, lrs, held_out="test"),
    )
