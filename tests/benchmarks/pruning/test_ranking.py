import numpy as np
import pytest

from benchmarks.pruning.curves import build_curves
from benchmarks.pruning.ranking import best_third, correlate, predict_score, spearman
from tests.benchmarks.pruning.synthetic import recording

GENERATOR = np.random.default_rng(0)


def test_spearman_ranks_and_shares_ties() -> None:
    rising = np.arange(5.0)
    assert spearman(rising, np.exp(rising)) == pytest.approx(1)
    assert spearman(rising, -(rising**3)) == pytest.approx(-1)
    assert spearman(np.array([0.0, 0, 1, 1]), np.array([0.0, 1, 2, 3])) == pytest.approx(2 / np.sqrt(5))
    assert np.isnan(spearman(rising, np.ones(5)))
    assert spearman(np.stack([rising, -rising]), np.stack([rising, rising])) == pytest.approx([1, -1])


def test_the_interval_holds_the_value_and_narrows_with_n() -> None:
    score = GENERATOR.normal(size=200)
    signal = score + GENERATOR.normal(size=200)
    many, few = correlate(signal, score), correlate(signal[:20], score[:20])
    assert many.low < many.value < many.high
    assert few.high - few.low > 2 * (many.high - many.low)
    assert correlate(signal, score) == many


def test_the_best_third_is_by_the_end() -> None:
    assert best_third(np.arange(30.0)).tolist() == list(range(29, 19, -1))
    assert len(best_third(np.arange(8.0))) == 4


def test_a_regression_predicts_what_its_features_decide() -> None:
    """Raw accuracy ranks the wrong way round, and a line through it finds the right one."""
    score = GENERATOR.uniform(0.6, 0.8, 40)
    header, lines = recording(score, lambda score, epoch: 1 - score, diverged={5: 2, 6: 20})
    for line, drawn in zip(lines, GENERATOR.uniform(size=40), strict=True):
        line["config"] = {"max_lr": np.exp(drawn)}
    curves = build_curves(header, lines)
    predicted = predict_score(curves, "raw", 3)
    assert predicted[5] == 0.0
    assert predicted[6] > 0.5
    kept = ~curves.diverged
    assert spearman(predicted[kept], curves.score[kept]) > 0.99


def test_a_regression_on_nothing_ranks_nothing() -> None:
    """Left-out means alone would rank the trials backwards, perfectly."""
    score = GENERATOR.uniform(0.6, 0.8, 60)
    header, lines = recording(score, lambda score, epoch: 0.5)
    for line, drawn in zip(lines, GENERATOR.uniform(size=60), strict=True):
        line["config"] = {"max_lr": np.exp(drawn)}
    predicted = predict_score(build_curves(header, lines), "raw", 3)
    assert abs(spearman(predicted, score)) < 0.6
