"""Learning curves: training and validation by epoch, and what each epoch changed."""

from tune_s11.report import figures, tables
from tune_s11.report.builder import ReportBuilder, RunBuilder

PLACE = 40
SHOWN_IN = ReportBuilder


def add(report: ReportBuilder) -> None:
    """Draw the curves, and note where validation accuracy reaches the target."""
    if report.trained is None or (isinstance(report, RunBuilder) and report.result.run.options.test):
        return  # a run with --test has no validation images
    recipe, rows = report.trained
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
