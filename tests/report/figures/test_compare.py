"""The comparison of searches and runs, drawn. That it looks right is for eyes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.report.figures.helpers import FULL, drawn
from tune_s11.config import Recipe
from tune_s11.report import figures
from tune_s11.report.compare import MOST, Compared, HeldOutEpoch
from tune_s11.results import TrialResult

Make = Callable[..., TrialResult]


def test_comparison_tells_all_apart(make_trial: Make) -> None:
    def compared(number: int, **recipe: Any) -> Compared:
        made = make_trial(0, FULL if number else [0.1, 0.0]).rows
        rows = [HeldOutEpoch(row.epoch, row.lr, row.score, row.score, row.diverged) for row in made]
        return Compared(f"$run^ {number}", "run", Recipe(epochs=6, **recipe), "validation", 0, rows)

    runs = [compared(number) for number in range(MOST - 1)] + [compared(MOST, schedule="plateau", max_lr=0.1)]
    figure = figures.draw_comparison(runs, 0.8)
    texts = drawn(figure)
    assert texts[0] == "$run^ 0: one_cycle, max_lr 0.4"
    assert texts[MOST - 1] == f"$run^ {MOST}: plateau, max_lr 0.1"
    assert texts[MOST:] == ["the worst of them ends with 80.0 %"]
    lines = figure.axes[1].get_lines()
    assert len({line.get_color() for line in lines}) == MOST
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == MOST
    drawn(figures.draw_comparison([compared(0), compared(0)], None))
    drawn(figures.draw_comparison([compared(1)], None))
    hidden = replace(compared(1), name="_smoke")
    assert drawn(figures.draw_comparison([hidden], None))[0].startswith("_smoke: ")


@pytest.mark.parametrize(("target", "above"), [(0.9, True), (0.7, False)])
def test_comparison_has_a_target_line_and_names_the_images(make_trial: Make, target: float, above: bool) -> None:
    rows = [HeldOutEpoch(row.epoch, row.lr, row.score, row.score, False) for row in make_trial(0, FULL).rows]
    tested = Compared("a", "run", Recipe(epochs=6), "test", 0, rows)
    figure = figures.draw_comparison([tested, replace(tested, name="b", images="validation")], 0.8, target)
    texts = drawn(figure)
    assert texts[:2] == ["a: one_cycle, max_lr 0.4, test", "b: one_cycle, max_lr 0.4, validation"]
    assert figure.axes[0].get_ylabel().startswith("test or validation accuracy, EMA weights")
    (label,) = [text for text in figure.axes[0].texts if text.get_text() == f"target {100 * target:g} %"]
    assert (label.get_va() == "bottom") is above  # clear of the other line's name
    assert [target, target] in [list(line.get_ydata()) for line in figure.axes[0].lines]  # type: ignore[arg-type]
