"""The train/test curve of the run that was tested; it is not used to choose anything."""

from dataclasses import asdict

from tune_s11.report import figures, tables
from tune_s11.report.builder import ReportBuilder
from tune_s11.report.train_test_curve import read_train_test

PLACE = 50
SHOWN_IN = ReportBuilder


def add(report: ReportBuilder) -> None:
    """Add ``test_curve``."""
    report.numbers["test_curve"] = None
    tested = report.tested
    if tested is None:
        return
    rows = report.attempt("the test curve", lambda: read_train_test(tested.folder))
    if rows is None:
        return
    report.numbers["test_curve"] = {"seed": tested.seed, "epochs": [asdict(row) for row in rows]}
    if lacking := [str(row.epoch) for row in rows if row.test_accuracy is None]:
        why = f"{tested.folder.test_curve} lacks epoch {', '.join(lacking)}"
        report.leave_out("a part of the test curve", why)
    report.note_target("test", ((row.epoch, row.shipped) for row in rows))
    epochs, lrs = tables.schedule_points(tested.recipe, rows)
    report.draw(
        "test_curve",
        "the test curve",
        lambda: figures.draw_learning_curves(rows, epochs, lrs, held_out="test", target=report.target),
    )
    if len(rows) > 1:
        what = "the changes of the test curve"
        report.draw("test_changes", what, lambda: figures.draw_changes(rows, held_out="test"))
