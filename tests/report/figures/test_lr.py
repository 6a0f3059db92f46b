"""The range test and the schedule, drawn from unusual data. That they look right is for eyes."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.report.figures.helpers import texts, width_and_height
from tune_s11.report import figures
from tune_s11.results.lr_range import read_range_test


def test_range_test_marks_what_was_found(pristine: Path) -> None:
    measured = read_range_test(pristine / "lr_range.json")
    figure = figures.draw_range_test(measured, winner=0.4)
    for name, lr in measured.suggestions.items():
        assert f"{name} {lr:.3g}" in texts(figure, -1)
    assert "the winner's max_lr 0.4" in texts(figure)
    assert f"max_lr to try first {measured.bounds.suggestion:.3g}" in texts(figure)
    assert measured.curve is not None
    finite = measured.curve.losses[np.isfinite(measured.curve.losses)]
    above, below = figure.axes
    dots = np.concatenate([line.get_ydata() for line in below.lines if line.get_marker() == "."])
    assert np.array_equal(dots, finite)
    accuracies = sorted(outcome.accuracy for outcome in measured.cycles.values() if outcome.accuracy is not None)
    lines = [line for line in above.lines if (line.get_label() or "").startswith("cycles of")]
    assert [line.get_label() for line in lines] == ["cycles of 1 epoch", "cycles of 4 epochs"]
    assert sorted(np.concatenate([line.get_ydata() for line in lines])) == accuracies
    (crosses,) = (line for line in above.lines if line.get_label() == "diverged")
    assert list(crosses.get_xdata()) == [10.0]
    low, high = below.get_ylim()
    assert low < measured.curve.loss.min()
    assert high < measured.curve.loss[np.isfinite(measured.curve.loss)].max()
    width_and_height(figure)


def test_a_range_test_without_cycles_has_one_panel(pristine: Path) -> None:
    """Those of earlier versions."""
    measured = read_range_test(pristine / "lr_range.json")
    assert len(figures.draw_range_test(replace(measured, cycles={})).axes) == 1


def test_a_range_test_without_ramps_has_one_panel(pristine: Path) -> None:
    """Where min_lr is not to be found."""
    measured = read_range_test(pristine / "lr_range.json")
    figure = figures.draw_range_test(replace(measured, curve=None, suggestions={}))
    assert [axes.get_ylabel() for axes in figure.axes] == ["validation accuracy"]
    assert figure.axes[0].get_xlabel()


def test_a_range_test_whose_ramps_diverged_at_once_is_drawn(pristine: Path) -> None:
    measured = read_range_test(pristine / "lr_range.json")
    assert measured.curve is not None
    nothing = replace(measured.curve, losses=np.full_like(measured.curve.losses, np.inf))
    width_and_height(figures.draw_range_test(replace(measured, curve=nothing, suggestions={})))


def test_flat_schedule_has_no_lowest() -> None:
    figure = figures.draw_schedule(np.array([0.0, 3.0]), np.array([0.1, 0.1]))
    assert [text.get_text() for text in figure.axes[0].texts] == ["highest 0.1"]
