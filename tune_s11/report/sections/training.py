"""How one run was trained: its learning rate as applied, its learning curves, what each epoch changed."""

from collections.abc import Sequence

import numpy as np

from tune_s11.config import Recipe
from tune_s11.report import figures, tables
from tune_s11.report.builder import ReportBuilder
from tune_s11.training.metrics import EpochMetrics


def draw_schedule(report: ReportBuilder, recipe: Recipe, rows: Sequence[EpochMetrics]) -> None:
    """Draws the schedule and what the trainer reported of it, one row or more."""
    epochs, lrs = tables.schedule_points(recipe, rows)
    reported = np.array([[row.epoch, row.lr] for row in rows])
    report.draw("schedule", "the schedule", lambda: figures.draw_schedule(epochs, lrs, reported))


def draw_curves(report: ReportBuilder, recipe: Recipe, rows: Sequence[EpochMetrics]) -> None:
    """Draws training and validation by epoch, one row or more, and notes where validation reaches the target."""
    report.note_target("validation", ((row.epoch, row.score) for row in rows))
    epochs, lrs = tables.schedule_points(recipe, rows)
    report.draw(
        "curves",
        "the learning curves",
        lambda: figures.draw_learning_curves(rows, epochs, lrs, target=report.target),
    )
    if len(rows) > 1:
        report.draw("changes", "the changes from epoch to epoch", lambda: figures.draw_changes(rows))
    else:
        report.leave_out("the changes from epoch to epoch", "there is one epoch")
