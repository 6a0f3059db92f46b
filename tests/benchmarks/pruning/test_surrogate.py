import numpy as np
import pytest
from optuna.distributions import FloatDistribution

from benchmarks.pruning.curves import build_curves
from benchmarks.pruning.recording import draw
from benchmarks.pruning.surrogate import Course, Surrogate
from tests.benchmarks.pruning.synthetic import BOUNDS, recording, recording_of_s11
from tune_s11.search_space import load_space

SPACE = load_space("s11").with_lr_bounds(BOUNDS["low"], BOUNDS["high"]).space
CURVES = build_curves(*recording_of_s11(60))
SURROGATE = Surrogate(CURVES, SPACE)


def drawn(surrogate: Surrogate, count: int) -> list[Course]:
    return [surrogate.draw(draw(SPACE, 1, number), np.random.default_rng(number)) for number in range(count)]


def test_a_recorded_configuration_has_its_own_curve() -> None:
    for trial in (0, 3, 59):
        course = SURROGATE.draw(CURVES.configs[trial], np.random.default_rng(0))
        assert course.signal.tolist() == CURVES.signals["ema"][trial, : CURVES.ended[trial]].tolist()
        assert (course.score, course.diverged) == (CURVES.score[trial], CURVES.diverged[trial])
    assert (len(SURROGATE.draw(CURVES.configs[3], np.random.default_rng(0)).signal), CURVES.ended[3]) == (2, 2)


def test_drawn_ends_are_spread_as_recorded_ones() -> None:
    recorded = CURVES.score[~CURVES.diverged]
    scores = np.array([course.score for course in drawn(SURROGATE, 1000) if not course.diverged])
    assert scores.mean() == pytest.approx(recorded.mean(), abs=0.01)
    assert scores.std() == pytest.approx(recorded.std(), rel=0.3)


def test_trials_diverge_as_often_as_recorded_ones_and_where_they_did() -> None:
    courses = drawn(SURROGATE, 2000)
    assert np.mean([course.diverged for course in courses]) == pytest.approx(2 / 60, abs=0.02)
    assert {(len(course.signal), course.signal[-1], course.score) for course in courses if course.diverged} == {
        (2, 0.0, 0.0),
        (9, 0.0, 0.0),
    }
    assert {len(course.signal) for course in courses if not course.diverged} == {24}


def test_neighbours_tell_of_a_smooth_landscape_and_of_chance_they_do_not() -> None:
    rates = np.geomspace(0.1, 1, 60)
    space = {"max_lr": FloatDistribution(0.1, 1.0, log=True)}
    generator = np.random.default_rng(0)
    found = {}
    for what, scores in (("smooth", np.linspace(0.6, 0.8, 60)), ("chance", generator.uniform(0.6, 0.8, 60))):
        header, lines = recording(scores, lambda score, epoch: score)
        for line, rate in zip(lines, rates, strict=True):
            line["config"] = {"max_lr": rate}
        found[what] = Surrogate(build_curves(header, lines), space)
    assert found["smooth"].explained > 0.99
    assert found["smooth"].noise < 0.005
    assert found["chance"].explained < 0.2
    assert found["chance"].noise == pytest.approx(0.2 / np.sqrt(12), rel=0.3)
    near = found["smooth"].draw({"max_lr": 0.9}, generator)
    assert near.score == pytest.approx(0.6 + 0.2 * (1 + np.log10(0.9)), abs=0.02)
