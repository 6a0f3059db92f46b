"""The arms that only choose among configurations which somebody else drew: a pool replays them exactly.

Every arm ships what its own metric says is best. All but Ray's tutorial go by the EMA weights, so that they differ in
whom they prune and not in what they see; what is shipped are always the EMA weights.
"""

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import TrialState

from benchmarks.race.candidates import Candidates, History, replay
from benchmarks.race.pool import Ints
from benchmarks.race.problems import WALL
from tune_s11.pruning import NoPruning, SuccessiveHalving, Verdicts

SEED = 0
"""Of the orders and the coins."""

TUTORIAL_RATES = (1e-4, 1e-1)
"""Learning rates of Ray Tune's tutorial on CIFAR-10, "Hyperparameter tuning with PyTorch"."""

RUNGS = (2, 3)
"""Grace and factor of today's rungs, for 12 epochs. The program does not scale them with a trial's length: ``s11.yaml``
has grace 4 of 24 epochs, so rungs after a sixth and a half, which is grace 2 of 12. Left at 4, one rung would remain,
and the arm would be another policy than the one that users run."""


@dataclass(frozen=True)
class Arm:
    """One way to choose."""

    name: str
    """As tables have it; unique."""
    start: Callable[[int, int], Verdicts]
    """Starts the verdicts of a search, given a complete trial's epochs and the number of the order."""
    metric: str = "ema"
    """What it prunes and ships by: ``raw`` or ``ema`` validation accuracy."""
    max_lr: tuple[float, float] = (0.0, math.inf)
    """It only draws configurations with ``max_lr`` between these, the ends included."""

    def accepts(self, config: Mapping[str, float]) -> bool:
        """Return whether it draws this configuration."""
        return self.max_lr[0] <= config["max_lr"] <= self.max_lr[1]


class Coin:
    """Stops at the rungs of successive halving, and looks at no score.

    The first trial at a rung continues, as there: nobody was at it before.

    Args:
        policy: Its rungs and factor.
        order: Number of the order, which seeds the coin.
    """

    def __init__(self, policy: SuccessiveHalving, order: int) -> None:
        self._unseen = set(policy.rungs)
        self._rungs = policy.rungs
        self._chance = 1 / policy.factor
        self._generator = np.random.default_rng((SEED, order, 1))  # two numbers are the orders' seed

    def keeps(self, trial: Hashable, epoch: int, score: float) -> bool:
        """Whether the trial continues; one in ``factor`` does at a rung."""
        if epoch not in self._rungs:
            return True
        if epoch in self._unseen:
            self._unseen.remove(epoch)
            return True
        return bool(self._generator.random() < self._chance)


class ByStudy:
    """The verdicts of one of Optuna's pruners, asked as in Optuna's own examples: after every epoch, the last included.

    Steps count from 0 as there; Hyperband's estimate of the greatest number of steps relies on that.

    Args:
        pruner: New; some remember what they have seen.
        epochs: Length of a complete trial.
        order: Number of the order. It is in the study's name, from which Hyperband takes its trials' brackets.
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
        """Whether the trial continues. One trial runs at a time."""
        running = self._resume(trial)
        running.report(score, epoch - 1)
        if running.should_prune():
            self._finish(TrialState.PRUNED)
            return False
        if epoch == self._epochs:
            # A score of 0 is that of a trial which diverged in the last epoch.
            self._finish(TrialState.COMPLETE if score > 0 else TrialState.PRUNED, score)
        return True

    def _resume(self, trial: Hashable) -> optuna.Trial:
        if self._running is None or self._running[0] != trial:
            self._finish(TrialState.PRUNED)  # The one before stopped reporting: it diverged.
            self._running = trial, self._study.ask()
        return self._running[1]

    def _finish(self, state: TrialState, score: float | None = None) -> None:
        if self._running is not None:
            self._study.tell(self._running[1], score if state == TrialState.COMPLETE else None, state)
            self._running = None


def _complete(_epochs: int, _order: int) -> Verdicts:
    return NoPruning().start()


def _tutorial(epochs: int, _order: int) -> Verdicts:
    # Grace and factor are the tutorial's. It minimises the validation loss, which pools do not hold; raw accuracy is
    # what users rank by who follow it with a metric of their own.
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
INSIDE_WALL = Arm("random inside the wall", _complete, max_lr=WALL)

ARMS = (
    RANDOM,
    INSIDE_WALL,
    Arm("Ray's tutorial, its LR range", _tutorial, "raw", TUTORIAL_RATES),
    Arm("Ray's tutorial, whole LR range", _tutorial, "raw"),
    Arm("median pruner", _median),
    Arm("Hyperband", _hyperband),
    Arm("today's rungs", _rungs),
    Arm("coin flip at today's rungs", _coin),
)
"""In the order of the tables."""


def random_order(n: int, order: int) -> Ints:
    """Return rows 0 to n - 1 in random order ``order``, the same for all arms."""
    return np.random.default_rng((SEED, order)).permutation(n)


def run_arm(arm: Arm, candidates: Candidates, order: int, budget: int, defaults_first: bool) -> History:
    """Replay one search.

    Args:
        arm: Who chooses.
        candidates: From what.
        order: Number of the random order.
        budget: Epochs.
        defaults_first: Whether its first trial is of the recipe's defaults, whatever range it draws from.
    """
    drawn = [row for row in random_order(candidates.n, order).tolist() if arm.accepts(candidates.configs[row])]
    first = [candidates.n] if defaults_first else []
    verdicts = arm.start(candidates.epochs, order)
    return replay(candidates, candidates.signals[arm.metric], [*first, *drawn], verdicts, budget)
