"""What all figures have in common."""

from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.report.figures.helpers import width_and_height
from tune_s11.report import figures
from tune_s11.report.figures.canvas import png, spread_accuracy, trial_title
from tune_s11.report.figures.svg import svg
from tune_s11.results import TrialResult


def test_style_stays_within() -> None:
    before = dict(matplotlib.rcParams)
    figure = figures.draw_schedule(np.array([0.0, 1.0]), np.array([0.1, 0.2]), title="rising")
    assert width_and_height(figure) == (340, 136)
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("accuracies", "labels"),
    [
        ([0.1, 0.5], ["10 %", "20 %", "30 %", "40 %", "50 %"]),
        ([0.913, 0.917], ["91.3 %", "91.4 %", "91.5 %", "91.6 %", "91.7 %"]),  # between two of the usual ticks
    ],
)
def test_an_accuracy_axis_has_ticks(accuracies: list[float], labels: list[str]) -> None:
    axes = Figure().subplots()
    axes.plot(accuracies)
    spread_accuracy(axes)
    low, high = axes.get_ylim()
    within = [tick for tick in axes.get_yticks() if low <= tick <= high]
    assert axes.yaxis.get_major_formatter().format_ticks(within) == labels


def test_what_a_trial_says_of_itself(make_trial: Callable[..., TrialResult]) -> None:
    params = {"max_lr": 0.123456, "schedule": "<b>"}
    assert trial_title(make_trial(7, [0.5, 0.7], params=params)) == (
        "t0007, complete: 70.00 % after epoch 2\nmax_lr 0.123\nschedule <b>"
    )
    assert trial_title(make_trial(3, [0.5, 0.0], state="diverged")) == "t0003, diverged in epoch 2"
    assert trial_title(make_trial(4, state="failed")) == "t0004, failed"


def test_a_name_in_a_script_that_the_font_lacks_is_no_warning() -> None:
    """Any warning fails a test here."""
    figure = Figure()
    figure.subplots().set_title("\u732b")
    assert png(figure).startswith(b"\x89PNG")
    assert "<svg" in svg(figure, "cat")
