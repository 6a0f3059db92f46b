"""Draw learning curves of configurations that were never trained from those that were recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import FloatDistribution
from sklearn.ensemble import ExtraTreesRegressor

from benchmarks.pruning.curves import Curves, Floats
from tune_s11.search_space import Space

TREES = 100


@dataclass(frozen=True)
class Course:
    """The course of a trial without pruning. Accuracies are fractions.

    Attributes:
        signal: Validation accuracy of the EMA weights after each epoch, (epochs trained,); the last one is 0 if the
            trial diverges.
        score: Held-out accuracy after the last epoch; 0 if the trial diverges.
        diverged: Whether the trial diverges.
    """

    signal: Floats
    score: float
    diverged: bool

    @property
    def chosen_by(self) -> float:
        """Validation accuracy after the last epoch."""
        return float(self.signal[-1])


class Surrogate:
    """A surrogate that draws curves for any configuration of a space.

    A recorded configuration has the curve that was recorded. The curve of any other is estimated from its neighbours:
    the recorded configurations that share a leaf with it in extremely randomised trees (Geurts et al. 2006), which are
    fitted to the recorded curves. Neighbours are thus near in the parameters that matter (Lin and Jeon 2006, "Random
    Forests and Adaptive Nearest Neighbors"). The estimate is their weighted mean curve plus noise: the residual curve
    of one neighbour, drawn with the same weights. A residual is the recorded curve minus its prediction from the other
    configurations. So the noise is as large as the error of such predictions, in early epochs and in late ones, and
    larger where trials differ more. It exceeds the difference between two runs of one configuration, because it also
    contains the differences between neighbouring configurations. If the drawn neighbour diverged, its recorded curve is
    used, so trials diverge where recorded ones did, and as often.

    Args:
        curves: Curves of ``n`` configurations.
        space: Space from which they were drawn.
    """

    def __init__(self, curves: Curves, space: Space) -> None:
        self._domains = {name: domain for name, domain in space.items() if isinstance(domain, FloatDistribution)}
        assert len(self._domains) == len(space)
        self._ended, self._diverged = curves.ended, curves.diverged
        self._places = np.stack([self._place(config) for config in curves.configs])
        self._outcomes = np.column_stack([curves.signals["ema"], curves.score])
        forest = ExtraTreesRegressor(TREES, bootstrap=True, random_state=0).fit(self._places, self._outcomes)
        self._trees = [tree.tree_ for tree in forest.estimators_]
        self._leaves = np.column_stack([tree.apply(self._places) for tree in self._trees])
        n = len(self._places)
        self._counts = np.column_stack([np.bincount(drawn, minlength=n) for drawn in forest.estimators_samples_])
        self._unexplained = np.zeros_like(self._outcomes)
        for trial in np.flatnonzero(~self._diverged):
            without = self._counts[trial] == 0
            self._unexplained[trial] = self._outcomes[trial] - self._mean(self._weights(self._leaves[trial], without))

    @property
    def noise(self) -> float:
        """Standard deviation of the recorded final scores from their predictions by the others."""
        return float(np.std(self._unexplained[~self._diverged, -1]))

    @property
    def explained(self) -> float:
        """Share of the variance of the recorded final scores that the others predict; below 0: worse than the mean."""
        return 1 - self.noise**2 / float(np.var(self._outcomes[~self._diverged, -1]))

    def draw(self, params: Mapping[str, Any], generator: np.random.Generator) -> Course:
        """Draw the course of a trial with ``params``."""
        place = self._place(params)
        same = np.flatnonzero((np.abs(self._places - place) < 1e-6).all(axis=1))
        if same.size:
            return self._course(int(same[0]), self._outcomes[same[0]])
        weights = self._weights(np.array([tree.apply(place[None])[0] for tree in self._trees]))
        like = int(generator.choice(len(weights), p=weights))
        if self._diverged[like]:
            return self._course(like, self._outcomes[like])
        return self._course(like, np.clip(self._mean(weights) + self._unexplained[like], 0, 1))

    def _course(self, like: int, outcome: Floats) -> Course:
        return Course(outcome[: self._ended[like]], float(outcome[-1]), bool(self._diverged[like]))

    def _weights(self, leaves: Any, trees: Any = slice(None)) -> Floats:
        """Return the weight of each recorded configuration for one that is in ``leaves``, (trees,); the sum is 1.

        Args:
            leaves: One leaf of each tree.
            trees: Trees to use.
        """
        together = self._counts[:, trees] * (self._leaves == leaves)[:, trees]
        weights: Floats = (together / together.sum(axis=0)).mean(axis=1)
        return weights

    def _mean(self, weights: Floats) -> Floats:
        """Return the weighted mean curve of those that did not diverge, or of all if every one diverged."""
        alive = weights * ~self._diverged
        mean: Floats = (alive if alive.any() else weights) @ self._outcomes
        return mean / (alive.sum() or 1.0)

    def _place(self, params: Mapping[str, Any]) -> "np.typing.NDArray[np.float32]":
        """Return the values on the scales on which they are drawn, in the single precision of the trees."""
        values = [np.log(params[name]) if domain.log else params[name] for name, domain in self._domains.items()]
        return np.array(values, np.float32)
