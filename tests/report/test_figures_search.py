"""The figures of the search and of comparisons on unusual data. That they look right is for eyes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import matplotlib
import pytest
from matplotlib.figure import Figure
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from tune_s11.config import Recipe
from tune_s11.report import figures
from tune_s11.report.compare import MOST, Compared, HeldOutEpoch
from tune_s11.report.timeline import best_so_far, build_timeline
from tune_s11.results import TrialResult

Make = Callable[..., TrialResult]

DOMAINS: dict[str, BaseDistribution] = {
    "max_lr": FloatDistribution(0.01, 1.0, log=True),
    "momentum": FloatDistribution(0.8, 0.98),
    "width": CategoricalDistribution([64, 32]),
    "pad": CategoricalDistribution([4]),
    "weight_decay": FloatDistribution(5e-4, 5e-4, log=True),
}
PARAMS = {"max_lr": 0.1, "momentum": 0.9, "width": 32, "pad": 4, "weight_decay": 5e-4}
FULL = [0.2, 0.4, 0.5, 0.6, 0.7, 0.8]


def drawn(figure: Figure) -> list[str]:
    """All text of a figure that can be saved."""
    before = dict(matplotlib.rcParams)
    assert figures.png(figure, dpi=40).startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before
    legends = [*figure.legends, *(legend for axes in figure.axes if (legend := axes.get_legend()))]
    return [text.get_text() for legend in legends for text in legend.get_texts()] + [
        text.get_text() for axes in figure.axes for text in axes.texts
    ]


@pytest.fixture
def mixed(make_trial: Make) -> list[TrialResult]:
    return [
        make_trial(0, FULL, params=PARAMS, spans=[("vm:1", 0, 60, 6)]),
        make_trial(1, [0.1, 0.3], "pruned", PARAMS | {"width": 64}, [("vm:2", 0, 20, 2)]),
        make_trial(2, [0.1, 0.0], "diverged", PARAMS | {"max_lr": 1.0}, [("vm:2", 25, 45, 2)]),
        make_trial(3, [0.2], "running", PARAMS | {"max_lr": 0.01}, [("vm:2", 9000, 9010, 1)]),
        make_trial(4, [], "failed", PARAMS),
    ]


def test_timeline_names_states_and_the_winner(mixed: list[TrialResult]) -> None:
    timeline = build_timeline(mixed)
    assert timeline is not None
    texts = drawn(figures.draw_timeline(timeline, "t0000"))
    assert texts == ["complete", "pruned", "running", "diverged", "winner t0000", "0", "3", "1", "2"]
    assert "winner t0000" not in drawn(figures.draw_timeline(timeline, None))


def test_best_so_far_with_and_without_a_complete_trial(mixed: list[TrialResult]) -> None:
    assert drawn(figures.draw_best_so_far(best_so_far(mixed, 6), "t0000")) == [
        "best of any epoch",
        "best complete trial",
        "winner t0000",
    ]
    assert drawn(figures.draw_best_so_far(best_so_far(mixed[1:], 6), None)) == ["best of any epoch"]


def test_parallel_coordinates_end_with_the_score_of_complete_trials(mixed: list[TrialResult]) -> None:
    figure = figures.draw_parallel(mixed, DOMAINS, "t0000")
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names[:3] == ["max_lr\n(log)", "momentum", "width"]
    assert names[-1] == "final\nvalidation accuracy"
    texts = drawn(figure)
    assert {"winner t0000", "pruned", "running", "diverged", "80.0 %", "0.01", "0.8", "64", "0.0005"} <= set(texts)
    unfinished = figures.draw_parallel(mixed[1:], DOMAINS, None)
    assert len(unfinished.axes[0].get_xticklabels()) == len(DOMAINS)
    drawn(unfinished)


def test_parallel_coordinates_of_equal_scores(make_trial: Make) -> None:
    trials = [make_trial(number, FULL, params=PARAMS) for number in range(3)]
    assert drawn(figures.draw_parallel(trials, DOMAINS, "t0000")).count("80.0 %") == 1


def test_slices_keep_the_scales_and_name_who_has_no_score(mixed: list[TrialResult]) -> None:
    figure = figures.draw_slices(mixed, DOMAINS, "t0000")
    assert drawn(figure) == ["pruned (1)", "running (1)", "winner t0000", "diverged (1), no score"]
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_xscale() for axes in shown] == ["log", "linear", "linear", "linear", "log"]
    low, high = shown[0].get_xlim()
    assert low < 0.01
    assert high > 1
    assert [label.get_text() for label in shown[2].get_xticklabels()] == ["32", "64"]


@pytest.mark.parametrize("scores", [FULL, [0.5], [0.0]])
def test_slice_of_a_single_trial(make_trial: Make, scores: list[float]) -> None:
    state = "diverged" if scores == [0.0] else "complete"
    trial = make_trial(0, scores, state, PARAMS)
    drawn(figures.draw_slices([trial], {"momentum": DOMAINS["momentum"]}, None))


def test_importances_of_two_evaluators() -> None:
    share = {"mean": 0.6, "low": 0.5, "high": 0.7}
    shares = {"momentum": share, "$width^": share | {"mean": 0.4, "low": 0.3}}
    figure = figures.draw_importances({"n": 12, "evaluators": {"fANOVA": shares, "other": shares}})
    assert drawn(figure) == ["fANOVA", "other"]
    assert figure.axes[0].get_xlabel() == "importance (share; n = 12 complete trials)"


def test_changes_are_differences(make_trial: Make) -> None:
    rows = make_trial(0, FULL).rows
    figure = figures.draw_changes(rows)
    assert drawn(figure) == [
        "training (augmented, weights in motion)",
        "validation, raw weights",
        "validation, EMA weights",
    ]
    _, raw, averaged, _ = figure.axes[0].get_lines()
    assert averaged.get_xdata() == pytest.approx([2, 3, 4, 5, 6])
    assert averaged.get_ydata() == pytest.approx([20, 10, 10, 10, 10])
    assert raw.get_ydata() == pytest.approx([19, 9.5, 9.5, 9.5, 9.5])
    assert figure.axes[1].get_lines()[2].get_ydata() == pytest.approx([2 / k - 2 / (k - 1) for k in range(2, 7)])


def test_comparison_tells_all_apart(make_trial: Make) -> None:
    def compared(number: int, **recipe: Any) -> Compared:
        made = make_trial(0, FULL if number else [0.1, 0.0]).rows
        rows = [HeldOutEpoch(row.epoch, row.lr, row.score, row.score, row.diverged) for row in made]
        return Compared(f"$run^ {number}", "run", Recipe(epochs=6, **recipe), "validation", 0, rows)

    runs = [compared(number) for number in range(MOST - 1)] + [compared(MOST, schedule="plateau", max_lr=0.1)]
    figure = figures.draw_comparison(runs, 0.8)
    texts = drawn(figure)
    assert texts[0] == "$run^ 0: one_cycle, LRMAX 0.4"
    assert texts[MOST - 1] == f"$run^ {MOST}: plateau, LRMAX 0.1"
    assert texts[MOST:] == ["the worst of them ends with 80.0 %"]
    lines = figure.axes[1].get_lines()
    assert len({line.get_color() for line in lines}) == MOST
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == MOST
    drawn(figures.draw_comparison([compared(0), compared(0)], None))
    drawn(figures.draw_comparison([compared(1)], None))


@pytest.mark.parametrize(("target", "above"), [(0.9, True), (0.7, False)])
def test_comparison_has_a_target_line_and_names_the_images(make_trial: Make, target: float, above: bool) -> None:
    rows = [HeldOutEpoch(row.epoch, row.lr, row.score, row.score, False) for row in make_trial(0, FULL).rows]
    tested = Compared("a", "run", Recipe(epochs=6), "test", 0, rows)
    figure = figures.draw_comparison([tested, replace(tested, name="b", images="validation")], 0.8, target)
    texts = drawn(figure)
    assert texts[:2] == ["a: one_cycle, LRMAX 0.4, test", "b: one_cycle, LRMAX 0.4, validation"]
    assert figure.axes[0].get_ylabel().startswith("test or validation accuracy, EMA weights")
    (label,) = [text for text in figure.axes[0].texts if text.get_text() == f"target {100 * target:g} %"]
    assert (label.get_va() == "bottom") is above  # clear of the other line's name
    assert [target, target] in [list(line.get_ydata()) for line in figure.axes[0].lines]  # type: ignore[arg-type]
