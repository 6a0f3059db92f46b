"""Learning curves of configurations that were never trained, out of those that were recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import FloatDistribution
from recorded import Curves, Floats

from tune_s11.search_space import Space

NEIGHBOURS = 5
"""Recorded configurations that a new one is told from."""


@dataclass(frozen=True)
class Fate:
    """What would become of a trial that nobody stops. Accuracies are fractions.

    Attributes:
        signal: Validation accuracy of the averaged weights after each epoch, (epochs trained,); where the trial
            diverges the last one is 0.
        score: Accuracy on the images apart after the last epoch; 0 where it diverges.
        diverged: Whether it does.
    """

    signal: Floats
    score: float
    diverged: bool

    @property
    def chosen_by(self) -> float:
        """Validation accuracy after the last epoch."""
        return float(self.signal[-1])


class Surrogate:
    """Draws curves for any configuration of a space.

    A recorded configuration has the curve that was recorded. Any other has the mean of its nearest neighbours' curves,
    weighted by one over the distance, and on top the whole curve by which one of them, drawn with these weights,
    differs from the mean of its own neighbours. So the noise is as large as what neighbours do not tell of one
    another, in early epochs as in late ones, and where trials differ more it is larger. It holds a run's luck and all
    that lies between the recorded configurations: more than two runs of one configuration would differ by. A
    neighbour that diverged is followed to where it did, so that trials diverge where recorded ones did, and as often.

    Args:
        curves: Of ``n`` configurations.
        space: What they were drawn from; distances are Euclidean in its unit cube, in which it is uniform.
    """

    def __init__(self, curves: Curves, space: Space) -> None:
        self._domains = {name: domain for name, domain in space.items() if isinstance(domain, FloatDistribution)}
        assert len(self._domains) == len(space)
        self._curves = curves
        self._ended, self._diverged = curves.ended, curves.diverged
        self._places = np.stack([self._place(config) for config in curves.configs])
        self._outcomes = np.column_stack([curves.signals["ema"], curves.score])
        self._unexplained = np.zeros_like(self._outcomes)
        for trial in np.flatnonzero(~self._diverged):
            distances = self._distances(self._places[trial])
            distances[trial] = np.inf
            self._unexplained[trial] = self._outcomes[trial] - self._mean(distances)

    @property
    def noise(self) -> float:
        """Standard deviation of a recorded final score from what its neighbours tell of it."""
        return float(np.std(self._unexplained[~self._diverged, -1]))

    @property
    def explained(self) -> float:
        """Share of the variance of the recorded final scores that neighbours tell of; below 0: less than their mean."""
        return 1 - self.noise**2 / float(np.var(self._outcomes[~self._diverged, -1]))

    def draw(self, params: Mapping[str, Any], generator: np.random.Generator) -> Fate:
        """What becomes of a trial of ``params``."""
        distances = self._distances(self._place(params))
        nearest = int(np.argmin(distances))
        if distances[nearest] < 1e-9:
            return self._fate(nearest, self._outcomes[nearest])
        around, weights = _nearest(distances)
        like = int(generator.choice(around, p=weights))
        if self._diverged[like]:
            return self._fate(like, self._outcomes[like])
        return self._fate(like, np.clip(self._mean(distances) + self._unexplained[like], 0, 1))

    def _fate(self, like: int, outcome: Floats) -> Fate:
        return Fate(outcome[: self._ended[like]], float(outcome[-1]), bool(self._diverged[like]))

    def _mean(self, distances: Floats) -> Floats:
        around, weights = _nearest(np.where(self._diverged, np.inf, distances))
        mean: Floats = weights @ self._outcomes[around]
        return mean

    def _distances(self, place: Floats) -> Floats:
        distances: Floats = np.linalg.norm(self._places - place, axis=1)
        return distances

    def _place(self, params: Mapping[str, Any]) -> Floats:
        """In the unit cube."""
        scaled = []
        for name, domain in self._domains.items():
            low, high, value = (
                np.log(number) if domain.log else number for number in (domain.low, domain.high, params[name])
            )
            scaled.append((value - low) / (high - low))
        return np.array(scaled)


def _nearest(distances: Floats) -> tuple["np.typing.NDArray[np.int64]", Floats]:
    """The neighbours and their weights, whose sum is 1."""
    around = np.argsort(distances, kind="stable")[:NEIGHBOURS]
    around = around[np.isfinite(distances[around])]
    weights = 1 / (distances[around] + 1e-9)
    return around, weights / weights.sum()
