"""The figures of the parameters on unusual data. That they look right is for eyes."""

from collections.abc import Callable

import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from tests.report.figures.helpers import FULL, PARAMS, drawn
from tune_s11.report import figures
from tune_s11.results import TrialResult

Make = Callable[..., TrialResult]

DOMAINS: dict[str, BaseDistribution] = {
    "max_lr": FloatDistribution(0.01, 1.0, log=True),
    "momentum": FloatDistribution(0.8, 0.98),
    "width": CategoricalDistribution([64, 32]),
    "pad": CategoricalDistribution([4]),
    "weight_decay": FloatDistribution(5e-4, 5e-4, log=True),
}


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
