"""The learning rate: the range test, the winner's place in its bounds, and the schedule as it was applied."""

from dataclasses import asdict

from tune_s11.report import facts, figures
from tune_s11.report.contents import SearchContents
from tune_s11.report.sections.training import draw_schedule
from tune_s11.results import TrialResult
from tune_s11.results.range_test import read_range_test
from tune_s11.search_space import RANGE_TEST


def add(contents: SearchContents) -> None:
    """Adds ``range_test`` and ``edge``."""
    contents.numbers |= {"range_test": None, "edge": None}
    _add_range_test(contents)
    if contents.winner is not None:
        _add_edge(contents, contents.winner)
        draw_schedule(contents, contents.winner.recipe, contents.winner.rows)


def _add_range_test(contents: SearchContents) -> None:
    path = contents.search.folder.range_test
    if contents.search.config.space.get("max_lr") != RANGE_TEST and not path.exists():
        contents.leave_out("the range test", "there was none: the search was given LRMAX or bounds for it")
        return
    measured = contents.attempt("the range test", lambda: read_range_test(path))
    if measured is None:
        return
    contents.range_test = measured
    contents.numbers["range_test"] = {
        "suggestions": measured.suggestions,
        "bounds": asdict(measured.bounds),
        "decades": measured.bounds.decades,
        "cycles": len(measured.cycles),
        "ramps": 0 if measured.curve is None else len(measured.curve.losses),
    }
    max_lr = contents.winner.recipe.max_lr if contents.winner else None
    contents.draw("range_test", "the range test", lambda: figures.draw_range_test(measured, max_lr))


def _add_edge(contents: SearchContents, winner: TrialResult) -> None:
    bounds = facts.max_lr_bounds(contents.search.config.space, contents.range_test)
    if bounds and (wider := facts.wider_bounds(winner.recipe.max_lr, *bounds)):
        again = contents.commands.get("search")
        contents.numbers["edge"] = {
            "max_lr": winner.recipe.max_lr,
            "low": bounds[0],
            "high": bounds[1],
            "command": None if again is None else f"{again} --lr-bounds {wider[0]:.4g} {wider[1]:.4g}",
        }
