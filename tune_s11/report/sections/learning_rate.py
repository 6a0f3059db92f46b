"""Learning rate: the range test, the winner's place in its bounds, and the schedule as it was applied."""

from dataclasses import asdict

import numpy as np

from tune_s11.report import figures, tables
from tune_s11.report.builder import ReportBuilder, SearchBuilder
from tune_s11.search_space import RANGE_TEST

PLACE = 30
SHOWN_IN = ReportBuilder


def add(report: ReportBuilder) -> None:
    """Add ``range_test`` and ``edge`` of a search, and draw the schedule."""
    if isinstance(report, SearchBuilder):
        report.numbers |= {"range_test": None, "edge": None}
        _add_range_test(report)
        _add_edge(report)
    if report.trained is not None:
        recipe, rows = report.trained
        epochs, lrs = tables.schedule_points(recipe, rows)
        reported = np.array([[row.epoch, row.lr] for row in rows])
        report.draw("schedule", "the schedule", lambda: figures.draw_schedule(epochs, lrs, reported))


def _add_range_test(report: SearchBuilder) -> None:
    if (measured := report.range_test) is None:
        return
    report.numbers["range_test"] = {
        "suggestions": measured.suggestions,
        "bounds": asdict(measured.bounds),
        "decades": measured.bounds.decades,
        "cycles": len(measured.cycles),
        "ramps": 0 if measured.curve is None else len(measured.curve.losses),
    }
    max_lr = None
    if report.winner is not None:
        max_lr = measured.bounds.comparable(report.winner.recipe.max_lr, report.winner.recipe.momentum)
    report.draw("range_test", "the range test", lambda: figures.draw_range_test(measured, max_lr))


def _add_edge(report: SearchBuilder) -> None:
    if (winner := report.winner) is None:
        return
    bounds = tables.max_lr_bounds(report.search.config.space, report.range_test, winner.recipe.momentum)
    if bounds and (wider := tables.wider_bounds(winner.recipe.max_lr, *bounds)):
        again, space = report.commands.get("search"), report.search.config.space
        if again is not None and space.get("min_lr_fraction") == RANGE_TEST:  # without a range test it must be given
            again += f" --set min_lr_fraction={winner.recipe.min_lr_fraction:.4g}"
        report.numbers["edge"] = {
            "max_lr": winner.recipe.max_lr,
            "low": bounds[0],
            "high": bounds[1],
            "command": None if again is None else f"{again} --lr-bounds {wider[0]:.4g} {wider[1]:.4g}",
        }
