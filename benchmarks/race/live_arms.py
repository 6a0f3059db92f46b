"""Live arms of the race, which train their own trials: this program, and what users would run in its place.

Every arm trains through :class:`benchmarks.race.lab.Lab`, on one thread and one trial at a time, and reads the
validation accuracy of the EMA weights. Population-based training is left out: it ships a schedule of its own, which
cannot be retrained as a recipe.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import TrialState

from benchmarks.race import ours, ours_now
from benchmarks.race.lab import BudgetSpent, Lab
from benchmarks.race.log import Log
from benchmarks.race.peer import run_peer
from benchmarks.race.problems import FIXED_BOUNDS, SPACE, Inputs, defaults
from tune_s11.config import InputError
from tune_s11.hardware import Hardware

Pruner = Callable[[int], optuna.pruners.BasePruner]
"""Function that builds a pruner, given the epochs of a complete trial."""

HALVING_FACTOR = 3


@dataclass(frozen=True)
class LiveArm:
    """A way to search."""

    name: str
    """Name in the tables; unique."""
    search: Callable[[Lab, bool], None]
    """Function that trains in the lab until nothing is left to do, given whether the first trial has the recipe's
    defaults."""

    def run(self, inputs: Inputs, hardware: Hardware, budget: int, repeat: int, defaults_first: bool) -> Log:
        """Search once and return the log of what was trained.

        Args:
            inputs: Recipe and images of the problem.
            hardware: Hardware to compute with.
            budget: Epochs to spend.
            repeat: Number of the repeat, which seeds everything random.
            defaults_first: Whether the first trial has the recipe's defaults.
        """
        lab = Lab(inputs, hardware, budget, repeat)
        try:
            self.search(lab, defaults_first)
        except BudgetSpent:
            pass
        except InputError as error:
            lab.log.refused = str(error)
        return lab.log


def _defaults_alone(lab: Lab, _defaults_first: bool) -> None:
    lab.start(defaults()).advance(lab.recipe.epochs)


def _ramps_and_one_run(lab: Lab, defaults_first: bool) -> None:
    if defaults_first:
        lab.start(defaults()).advance(lab.recipe.epochs)
    first = ours.measure_bounds(lab).first
    lab.start(defaults() | first).advance(lab.recipe.epochs)


def _cycles_and_one_run(lab: Lab, defaults_first: bool) -> None:
    if defaults_first:
        lab.start(defaults()).advance(lab.recipe.epochs)
    lab.start(defaults() | ours_now.measure(lab).first).advance(lab.recipe.epochs)


def _halving_on_lr(lab: Lab, defaults_first: bool) -> None:
    """Run brackets of synchronous halving, each over just enough random rates to leave one for the full length.

    Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization" (AISTATS 2016).
    """
    if defaults_first:
        lab.start(defaults()).advance(lab.recipe.epochs)
    generator = np.random.default_rng((lab.repeat, 2))
    lengths = [lab.recipe.epochs]
    while lengths[0] >= HALVING_FACTOR:
        lengths.insert(0, lengths[0] // HALVING_FACTOR)
    low, high = np.log([SPACE["max_lr"].low, SPACE["max_lr"].high])
    while True:  # until the lab raises BudgetSpent
        rates = np.exp(generator.uniform(low, high, HALVING_FACTOR ** (len(lengths) - 1))).tolist()
        running = [lab.start(defaults() | {"max_lr": float(f"{rate:.4g}")}) for rate in rates]
        for length in lengths:
            scores = [trial.advance(length) for trial in running]
            best = np.argsort(-np.array(scores), kind="stable")[: max(1, len(running) // HALVING_FACTOR)]
            running = [running[k] for k in best]


def _tpe(build_pruner: Pruner) -> Callable[[Lab, bool], None]:
    def run(lab: Lab, defaults_first: bool) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        epochs = lab.recipe.epochs
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=lab.repeat),
            pruner=build_pruner(epochs),
            study_name=f"repeat-{lab.repeat}",  # Hyperband takes its brackets from it.
        )
        if defaults_first:
            study.enqueue_trial(defaults())
        while True:  # until the lab raises BudgetSpent
            trial = study.ask({**SPACE})
            state, score = _train_and_report(lab, trial, epochs)
            study.tell(trial, score if state == TrialState.COMPLETE else None, state)

    return run


def _train_and_report(lab: Lab, trial: optuna.Trial, epochs: int) -> tuple[TrialState, float]:
    running = lab.start(trial.params)
    score = 0.0
    for epoch in range(1, epochs + 1):
        score = running.advance(epoch)
        trial.report(score, epoch - 1)  # Steps count from 0, as in Optuna's own examples.
        if running.diverged or trial.should_prune():
            return TrialState.PRUNED, score
    return TrialState.COMPLETE, score


def _hyperband(epochs: int) -> optuna.pruners.BasePruner:
    return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3)


def _ours_within_fixed_bounds(lab: Lab, defaults_first: bool) -> None:
    ours.search(lab, defaults_first, FIXED_BOUNDS)


def _peer(name: str) -> Callable[[Lab, bool], None]:
    def run(lab: Lab, defaults_first: bool) -> None:
        run_peer(name, lab, defaults_first)

    return run


OURS = LiveArm("ours-now", ours_now.search)

LIVE_ARMS = {
    arm.name: arm
    for arm in (
        LiveArm("defaults", _defaults_alone),
        LiveArm("ramps-and-one-run", _ramps_and_one_run),
        LiveArm("cycles-and-one-run", _cycles_and_one_run),
        LiveArm("halving-on-lr", _halving_on_lr),
        LiveArm("tpe-median", _tpe(lambda _epochs: optuna.pruners.MedianPruner())),
        LiveArm("tpe-hyperband", _tpe(_hyperband)),
        OURS,
        LiveArm("ours-before", ours.search),
        LiveArm("ours-within-fixed-bounds", _ours_within_fixed_bounds),
        LiveArm("priorband", _peer("priorband")),
        LiveArm("smac", _peer("smac")),
        LiveArm("dehb", _peer("dehb")),
    )
}
"""All live arms by name, in the order of the tables."""
