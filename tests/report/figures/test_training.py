"""Curves of trainings, drawn from unusual data. That they look right is for eyes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.report.figures.helpers import FULL, drawn, texts, width_and_height
from tune_s11.report import figures
from tune_s11.report.figures.canvas import crowded
from tune_s11.report.figures.svg import svg
from tune_s11.report.train_test_curve import TrainTestEpoch
from tune_s11.results import TrialResult, load_search

Make = Callable[..., TrialResult]


@pytest.fixture(scope="module")
def trials(pristine: Path) -> list[TrialResult]:
    return load_search(str(pristine), pristine.parent).trials


def test_trials_by_state(trials: list[TrialResult]) -> None:
    figure = figures.draw_trials(trials, "t0002", rungs=[2, 4], epochs=6)
    assert texts(figure) == (
        "winner t0002; complete (1); pruned (1); running (1); diverged (1); failed (1); rung: low scores are pruned"
    )
    width_and_height(figure)


def test_trials_without_winner_or_rungs(trials: list[TrialResult]) -> None:
    assert texts(figures.draw_trials(trials[:1], None, rungs=[], epochs=6)) == "complete (1)"


def test_many_trials_are_fainter_but_never_gone(make_trial: Callable[..., TrialResult]) -> None:
    assert (crowded(0), crowded(25)) == (1, 1)
    assert 0.5 < crowded(200) < crowded(60) < 1
    trials = [make_trial(k, [0.1 + k / 1000, 0.5], "pruned") for k in range(200)]
    few, many = (figures.draw_trials(group, None, rungs=[2], epochs=6) for group in (trials[:3], trials))
    assert many.axes[0].lines[0].get_alpha() < few.axes[0].lines[0].get_alpha()  # type: ignore[operator]
    legend = many.axes[0].get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == 2
    assert svg(many, "trials").count("<title>") == 200


def test_perfect_accuracy_has_its_place(trials: list[TrialResult]) -> None:
    rows = [replace(row, ema_val_accuracy=1.0, ema_val_loss=0.5) for row in trials[0].rows]
    figure = figures.draw_learning_curves(rows, np.array([0.0, 6.0]), np.array([0.1, 0.2]))
    assert figure.axes[0].get_ylim()[1] > 1
    width_and_height(figure)


def test_test_curve_has_its_own_names() -> None:
    untested = (None, None, None, None)
    rows = [TrainTestEpoch(1, 0.1, 0.5, 0.5, *untested), TrainTestEpoch(2, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)]
    figure = figures.draw_learning_curves(rows, np.array([0.0, 2.0]), np.array([0.1, 0.2]), held_out="test")
    assert texts(figure) == "training (augmented, mean over the epoch); test, raw weights; test, EMA weights"
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [2, 1, 1]  # type: ignore[arg-type]
    width_and_height(figure)


def test_changes_are_differences(make_trial: Make) -> None:
    rows = make_trial(0, FULL).rows
    figure = figures.draw_changes(rows)
    assert drawn(figure) == [
        "training (augmented, mean over the epoch)",
        "validation, raw weights",
        "validation, EMA weights",
    ]
    _, raw, averaged, _ = figure.axes[0].get_lines()
    assert averaged.get_xdata() == pytest.approx([2, 3, 4, 5, 6])
    assert averaged.get_ydata() == pytest.approx([20, 10, 10, 10, 10])
    assert raw.get_ydata() == pytest.approx([19, 9.5, 9.5, 9.5, 9.5])
    assert figure.axes[1].get_lines()[2].get_ydata() == pytest.approx([2 / k - 2 / (k - 1) for k in range(2, 7)])
