"""The figures on unusual data. That they look right is for eyes."""

from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from tune_s11.report import figures
from tune_s11.report.predictions import Predictions
from tune_s11.report.train_test import TrainTestEpoch
from tune_s11.results import TrialResult, load_search
from tune_s11.results.lr_range import read_range_test


def width_and_height(figure: Figure) -> tuple[int, int]:
    png = figures.png(figure, dpi=40)
    assert png.startswith(b"\x89PNG")
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])


@pytest.fixture(scope="module")
def trials(pristine: Path) -> list[TrialResult]:
    return load_search(str(pristine), pristine.parent).trials


def test_style_stays_within() -> None:
    before = dict(matplotlib.rcParams)
    figure = figures.draw_schedule(np.array([0.0, 1.0]), np.array([0.1, 0.2]), title="rising")
    assert width_and_height(figure) == (340, 136)
    assert dict(matplotlib.rcParams) == before


def texts(figure: Figure, panel: int = 0) -> str:
    legend = figure.axes[panel].get_legend()
    assert legend is not None
    return "; ".join(text.get_text() for text in legend.get_texts())


def test_range_test_marks_what_was_found(pristine: Path) -> None:
    measured = read_range_test(pristine / "lr_range.json")
    figure = figures.draw_range_test(measured, winner=0.4)
    for name, lr in measured.suggestions.items():
        assert f"{name} {lr:.3g}" in texts(figure, -1)
    assert "the winner's LRMAX 0.4" in texts(figure)
    assert f"LRMAX to try first {measured.bounds.suggestion:.3g}" in texts(figure)
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
    """Where LRMIN is not to be found."""
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


def test_trials_by_state(trials: list[TrialResult]) -> None:
    figure = figures.draw_trials(trials, "t0002", rungs=[2, 4], epochs=6)
    assert texts(figure) == (
        "winner t0002; complete (1); pruned (1); running (1); diverged (1); failed (1); rung: the lower ones are pruned"
    )
    width_and_height(figure)


def test_trials_without_winner_or_rungs(trials: list[TrialResult]) -> None:
    assert texts(figures.draw_trials(trials[:1], None, rungs=[], epochs=6)) == "complete (1)"


def test_perfect_accuracy_has_its_place(trials: list[TrialResult]) -> None:
    rows = [replace(row, ema_val_accuracy=1.0, ema_val_loss=0.5) for row in trials[0].rows]
    figure = figures.draw_learning_curves(rows, np.array([0.0, 6.0]), np.array([0.1, 0.2]))
    assert figure.axes[0].get_ylim()[1] > 1
    width_and_height(figure)


@pytest.mark.parametrize("classes", [1, 10, 40, 250])
def test_confusion_of_few_and_many_classes(classes: int) -> None:
    counts = np.eye(classes, dtype=np.int64)
    counts[0, 0] = 0  # a class without test images
    figure = figures.draw_confusion(counts, [f"$class^ {k}$" for k in range(classes)])
    assert len(figure.axes[0].texts) == (classes - 1 if classes <= 20 else 0)
    width_and_height(figure)


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (5, 1), (6, 2), (25, 5)])
@pytest.mark.parametrize("maps", [1, 2])
def test_sheet_grows_by_rows_of_five(count: int, rows: int, maps: int) -> None:
    heat = np.zeros((count, 8, 8), np.float32)
    captions = [("$cat^", "→ dog$, 99.0 %")] * count
    figure = figures.draw_heat_maps(np.zeros((count, 8, 8, 3), np.uint8), [heat] * maps, captions, "$note^")
    assert len(figure.axes) == (1 + maps) * count
    row = 2.1 / (1 + maps) + 0.46
    assert width_and_height(figure)[1] == pytest.approx(40 * (0.2 + row * rows), abs=1)


def test_reliability_draws_what_bins_there_are() -> None:
    sure_and_right = Predictions(np.zeros(4, np.int64), np.tile([1.0, 0.0], (4, 1)))
    figure = figures.draw_reliability(sure_and_right.calibration())
    assert figure.axes[0].get_title(loc="left") == "Expected calibration error 0.00 %"
    assert [text.get_text() for text in figure.axes[1].texts] == ["4"]
    width_and_height(figure)


def test_test_curve_has_its_own_names() -> None:
    untested = (None, None, None, None)
    rows = [TrainTestEpoch(1, 0.1, 0.5, 0.5, *untested), TrainTestEpoch(2, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)]
    figure = figures.draw_learning_curves(rows, np.array([0.0, 2.0]), np.array([0.1, 0.2]), held_out="test")
    assert texts(figure) == "training (augmented, weights in motion); test, raw weights; test, EMA weights"
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [2, 1, 1]  # type: ignore[arg-type]
    width_and_height(figure)
