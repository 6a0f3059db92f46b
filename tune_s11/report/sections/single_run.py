"""The head of a single run's report: its settings, its progress and its accuracy."""

from dataclasses import asdict

import numpy as np

from tune_s11.config import InputError
from tune_s11.report.builder import RunBuilder
from tune_s11.results import RunResult
from tune_s11.results.records import RefitScores, read_record

PLACE = 10
SHOWN_IN = RunBuilder


def add(report: RunBuilder) -> None:
    """Add ``run``, ``test`` and ``commands``."""
    result, numbers = report.result, report.numbers
    run, rows = result.run, result.rows
    numbers["run"] = {
        "name": result.path.resolve().name,
        "epochs": run.recipe.epochs,
        "epochs_done": rows[-1].epoch if rows else 0,
        "diverged": bool(rows) and rows[-1].diverged,
        "seed": run.seed,
        "hardware": run.hardware.model_dump(),
        "tested": run.options.test,
        "weights": run.recipe.weights,
        "seconds": sum(row.seconds for row in rows),
        "images_per_second": float(np.median([row.images_per_second for row in rows])) if rows else None,
        "train_accuracy": rows[-1].train_accuracy if rows else None,
        "validation_accuracy": rows[-1].score if rows and not run.options.test else None,
        "validation_accuracy_raw": rows[-1].val_accuracy if rows else None,
        "rows": [asdict(row) for row in rows],
    }
    numbers["test"] = None
    numbers["commands"] = {name: command for name, command in report.commands.items() if not result.finished}
    if not rows:
        report.leave_out("the run", "it has not finished an epoch yet")
        return
    if run.options.test:
        scores = report.attempt("the test accuracy", lambda: _read_scores(result))
        numbers["test"] = None if scores is None else {"accuracy": scores.shipped, "accuracy_raw": scores.raw}
    else:
        why = "the run was validated on held-out training images; a run with --test is tested"
        report.leave_out("test accuracy, confusion matrix, calibration and heat maps", why)


def _read_scores(result: RunResult) -> RefitScores:
    try:
        return read_record(RefitScores, result.folder.scores)
    except FileNotFoundError:
        raise InputError("the run has not finished") from None
