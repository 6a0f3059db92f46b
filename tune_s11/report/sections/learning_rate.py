"""The learning rate: the range test, the winner's place in its bounds, and the schedule as it was applied."""

from dataclasses import asdict

from tune_s11.report import figures, tables
from tune_s11.report.builder import SearchBuilder
from tune_s11.report.sections.training import draw_schedule
from tune_s11.results import TrialResult
from tune_s11.results.lr_range import read_range_test
from tune_s11.search_space import RANGE_TEST


def add(report: SearchBuilder) -> None:
    """Adds ``range_test`` and ``edge``."""
    report.numbers |= {"range_test": None, "edge": None}
    _add_range_test(report)
    if report.winner is not None:
        _add_edge(report, report.winner)
        draw_schedule(report, report.winner.recipe, report.winner.rows)


def _add_range_test(report: SearchBuilder) -> None:
    path = report.search.folder.range_test
    if report.search.config.space.get("max_lr") != RANGE_TEST and not path.exists():
        report.leave_out("the range test", "there was none: the search was given LRMAX or bounds for it")
        return
    measured = report.attempt("the range test", lambda: read_range_test(path))
    if measured is None:
        return
    report.range_test = measured
    report.numbers["range_test"] = {
        "suggestions": measured.suggestions,
        "bounds": asdict(measured.bounds),
        "decades": measured.bounds.decades,
        "cycles": len(measured.cycles),
        "ramps": 0 if measured.curve is None else len(measured.curve.losses),
    }
    max_lr = report.winner.recipe.max_lr if report.winner else None
    report.draw("range_test", "the range test", lambda: figures.draw_range_test(measured, max_lr))


def _add_edge(report: SearchBuilder, winner: TrialResult) -> None:
    bounds = tables.max_lr_bounds(report.search.config.space, report.range_test)
    if bounds and (wider := tables.wider_bounds(winner.recipe.max_lr, *bounds)):
        again = report.commands.get("search")
        report.numbers["edge"] = {
            "max_lr": winner.recipe.max_lr,
            "low": bounds[0],
            "high": bounds[1],
            "command": None if again is None else f"{again} --lr-bounds {wider[0]:.4g} {wider[1]:.4g}",
        }
