"""Arms of the race that only choose among given configurations, so a recorded pool replays them exactly.

Every arm ships the configuration that is best by its own metric. All arms except Ray's tutorial use the accuracy of
the EMA weights, so they differ only in which trials they prune. The EMA weights are always what is shipped.
"""

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import TrialState

from benchmarks.race.candidates import Candidates, History, replay
from benchmarks.race.pool import Ints
from benchmarks.race.problems import FIXED_BOUNDS
from tune_s11.pruning import NoPruning, SuccessiveHalving, Verdicts

SEED = 0
"""Seed of the random orders and of the coins."""

TUTORIAL_RATES = (1e-4, 1e-1)
"""Learning rates of Ray Tune's tutorial on CIFAR-10, "Hyperparameter tuning with PyTorch"."""

RUNGS = (2, 3)
"""Grace and factor of today's rungs, for trials of 12 epochs. The program does not scale them with the length of a
trial. ``s11.yaml`` has grace 4 and 24 epochs, so its rungs lie at one sixth and one half of a trial, which is grace 2
for 12 epochs. With grace 4, only one rung would remain, and the arm would not be the policy that users run."""


@dataclass(frozen=True)
class Arm:
    """A way to choose which configurations to train."""

    name: str
    """Name in the tables; unique."""
    start: Callable[[int, int], Verdicts]
    """Function that starts the verdicts of a search, given the epochs of a complete trial and the number of the
    order."""
    metric: str = "ema"
    """Metric by which it prunes and ships: ``raw`` or ``ema`` validation accuracy."""
    max_lr: tuple[float, float] = (0.0, math.inf)
    """Range of ``max_lr`` from which it draws, both ends included."""

    def accepts(self, config: Mapping[str, float]) -> bool:
        """Return whether the arm draws this configuration."""
        return self.max_lr[0] <= config["max_lr"] <= self.max_lr[1]


class Coin:
    """Random verdicts at the rungs of successive halving, which ignore the scores.

    As in successive halving, the first trial at a rung continues, because no other trial has reached it yet.

    Args:
        policy: Policy whose rungs and factor are used.
        order: Number of the order, which seeds the coin.
    """

    def __init__(self, policy: SuccessiveHalving, order: int) -> None:
        self._unseen = set(policy.rungs)
        self._rungs = policy.rungs
        self._chance = 1 / policy.factor
        self._generator = np.random.default_rng((SEED, order, 1))  # two numbers alone are the seed of the order

    def keeps(self, trial: Hashable, epoch: int, score: float) -> bool:
        """Return whether the trial continues; at a rung, one trial in ``factor`` does."""
        if epoch not in self._rungs:
            return True
        if epoch in self._unseen:
            self._unseen.remove(epoch)
            return True
        return bool(self._generator.random() < self._chance)


class ByStudy:
    """Verdicts of one of Optuna's pruners, asked after every epoch including the last, as in Optuna's own examples.

    Steps count from 0, as in those examples; Hyperband relies on this when it estimates the greatest number of steps.

    Args:
        pruner: New pruner; some pruners remember what they have seen.
        epochs: Epochs of a complete trial.
        order: Number of the order. It is part of the study's name, from which Hyperband takes its trials' brackets.
    """

    def __init__(self, pruner: optuna.pruners.BasePruner, epochs: int, order: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.RandomSampler(seed=0)  # never asked for a value
        self._study = optuna.create_study(
            direction="maximize", sampler=sampler, pruner=pruner, study_name=f"order-{order}"
        )
        self._epochs = epochs
        self._running: tuple[Hashable, optuna.Trial] | None = None

    def keeps(self, trial: Hashable, epoch: int, score: float) -> bool:
        """Return whether the trial continues; only one trial runs at a time."""
        running = self._resume(trial)
        running.report(score, epoch - 1)
        if running.should_prune():
            self._finish(TrialState.PRUNED)
            return False
        if epoch == self._epochs:
            # A score of 0 means that the trial diverged in the last epoch.
            self._finish(TrialState.COMPLETE if score > 0 else TrialState.PRUNED, score)
        return True

    def _resume(self, trial: Hashable) -> optuna.Trial:
        if self._running is None or self._running[0] != trial:
            self._finish(TrialState.PRUNED)  # The previous trial stopped reporting: it diverged.
            self._running = trial, self._study.ask()
        return self._running[1]

    def _finish(self, state: TrialState, score: float | None = None) -> None:
        if self._running is not None:
            self._study.tell(self._running[1], score if state == TrialState.COMPLETE else None, state)
            self._running = None


def _complete(_epochs: int, _order: int) -> Verdicts:
    return NoPruning().start()


def _tutorial(epochs: int, _order: int) -> Verdicts:
    # Grace and factor are the tutorial's. It minimises the validation loss, which pools do not hold. Users who follow
    # it with a metric of their own rank by raw accuracy.
    return SuccessiveHalving(1, 2, epochs).start()


def _median(epochs: int, order: int) -> Verdicts:
    return ByStudy(optuna.pruners.MedianPruner(), epochs, order)


def _hyperband(epochs: int, order: int) -> Verdicts:
    return ByStudy(optuna.pruners.HyperbandPruner(), epochs, order)


def _rungs(epochs: int, _order: int) -> Verdicts:
    return SuccessiveHalving(*RUNGS, epochs).start()


def _coin(epochs: int, order: int) -> Verdicts:
    return Coin(SuccessiveHalving(*RUNGS, epochs), order)


RANDOM = Arm("random", _complete)
WITHIN_FIXED_BOUNDS = Arm("random within fixed bounds", _complete, max_lr=FIXED_BOUNDS)
TODAYS_RUNGS = Arm("today's rungs", _rungs)

ARMS = (
    RANDOM,
    WITHIN_FIXED_BOUNDS,
    Arm("Ray's tutorial, its LR range", _tutorial, "raw", TUTORIAL_RATES),
    Arm("Ray's tutorial, whole LR range", _tutorial, "raw"),
    Arm("median pruner", _median),
    Arm("Hyperband", _hyperband),
    TODAYS_RUNGS,
    Arm("coin flip at today's rungs", _coin),
)
"""All arms, in the order of the tables."""


def random_order(n: int, order: int) -> Ints:
    """Return rows 0 to n - 1 in random order number ``order``, which is the same for all arms."""
    return np.random.default_rng((SEED, order)).permutation(n)


def run_arm(arm: Arm, candidates: Candidates, order: int, budget: int, defaults_first: bool) -> History:
    """Replay one search.

    Args:
        arm: Arm that chooses.
        candidates: Candidates to choose from.
        order: Number of the random order.
        budget: Epochs to spend.
        defaults_first: Whether the first trial has the recipe's defaults, whatever range the arm draws from.
    """
    drawn = [row for row in random_order(candidates.n, order).tolist() if arm.accepts(candidates.configs[row])]
    first = [candidates.n] if defaults_first else []
    verdicts = arm.start(candidates.epochs, order)
    return replay(candidates, candidates.signals[arm.metric], [*first, *drawn], verdicts, budget)
