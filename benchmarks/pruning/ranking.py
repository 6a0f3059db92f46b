"""Measure how well an early signal ranks trials by their final accuracy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.pruning.curves import Curves, Floats, Ints
from tune_s11.report.ranking import spearman

LOGARITHMIC = ("max_lr", "min_lr_fraction", "weight_decay")
"""Fields whose logarithm a regression uses, because they are drawn on a logarithmic scale."""


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation with its 95% interval."""

    value: float
    low: float
    high: float


def correlate(signal: Floats, score: Floats, resamples: int = 1000, seed: int = 0) -> Correlation:
    """Correlate ``signal`` with ``score``, (n,) each; the interval is a percentile bootstrap over the trials."""
    return _bootstrap(lambda trials: spearman(signal[trials], score[trials]), len(score), resamples, seed)


def compare(signal: Floats, other: Floats, score: Floats, resamples: int = 1000, seed: int = 0) -> Correlation:
    """Return by how much better ``signal`` ranks than ``other``, on the same resamples; see :func:`correlate`."""

    def more(trials: Ints) -> Floats:
        return spearman(signal[trials], score[trials]) - spearman(other[trials], score[trials])

    return _bootstrap(more, len(score), resamples, seed)


def _bootstrap(statistic: Callable[[Ints], Floats], n: int, resamples: int, seed: int) -> Correlation:
    """Return a statistic of ``n`` trials, which is given the indices of the trials, with its interval."""
    drawn = np.random.default_rng(seed).integers(n, size=(resamples, n))
    low, high = np.nanpercentile(statistic(drawn), [2.5, 97.5])
    return Correlation(float(statistic(np.arange(n))), float(low), float(high))


def best_third(score: Floats) -> Ints:
    """Return the indices of the best third, at least four."""
    return np.argsort(-score, kind="stable")[: max(4, round(len(score) / 3))]


def predict_score(curves: Curves, signal: str, epoch: int) -> Floats:
    """Predict the final accuracy of each trial by a ridge regression fitted to all the others.

    The features are the signal after each epoch up to ``epoch`` and the drawn values. The fit leaves out trials that
    diverged; a trial that has diverged by ``epoch`` is predicted 0.

    Args:
        curves: Curves of ``n`` configurations.
        signal: Signal that is recorded after every epoch.
        epoch: Last epoch to use; 0: predict from the configuration alone.

    Returns:
        Predicted final accuracy, (n,).
    """
    features = np.column_stack([*_drawn(curves.configs), curves.signals[signal][:, :epoch]])
    complete = ~curves.diverged
    mean = curves.score[complete].mean()
    predicted = np.zeros(len(curves.score))
    for trial in np.flatnonzero(complete | (curves.ended > epoch)):
        others = complete & (np.arange(len(curves.score)) != trial)
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 3, 9)))
        ridge.fit(features[others], curves.score[others] - curves.score[others].mean())
        # The mean over all trials but this one is lower the better this one is, and would rank the trials on its own.
        predicted[trial] = mean + ridge.predict(features[[trial]])[0]
    return predicted


def _drawn(configs: list[dict[str, Any]]) -> list[Floats]:
    columns = {name: np.array([config[name] for config in configs], float) for name in configs[0]}
    return [np.log(values) if name in LOGARITHMIC else values for name, values in columns.items()]
