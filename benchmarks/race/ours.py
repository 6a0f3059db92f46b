"""The program as an arm of the race: its own range test, searcher, policy and audit, one trial at a time.

Ray is left out, and with it only time: what Tune's controller does around searcher and scheduler is done here in its
order, as in benchmarks/simulator.py, around trials that are really trained.
"""

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from ray.tune.schedulers import TrialScheduler

from benchmarks.race.arms import RUNGS
from benchmarks.race.lab import Lab
from benchmarks.race.problems import SPACE, defaults
from benchmarks.ramp_bounds import find_bounds
from tune_s11.config import SearchSettings
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.measuring import ramp, range_test
from tune_s11.pruning import Policy
from tune_s11.search.audit import Audit
from tune_s11.search.range_test import Proposals
from tune_s11.search.scheduler import PolicyScheduler
from tune_s11.search.searcher import StudySearcher
from tune_s11.search_space import SearchConfig
from tune_s11.training.metrics import SCORE, EpochMetrics


def settings_of(repeat: int) -> SearchSettings:
    """Return the search's settings: the program's own but for the rungs, see :data:`benchmarks.race.arms.RUNGS`.

    The finalists' runs are off. Five finalists from three seeds are 15 complete trials, three quarters of the largest
    budget: nobody with that budget would pay for them.
    """
    grace, factor = RUNGS
    return SearchSettings(grace=grace, factor=factor, finalists=0, seed=repeat)


def measure_bounds(lab: Lab) -> LRBounds:
    """Run the range test as a search does; its steps count as epochs.

    Raises:
        BudgetSpent: It took what was left.
        InputError: Its curve says nothing, for which the program refuses the search.
    """
    settings = settings_of(lab.repeat)
    lrs = ramp("exponential", *settings.lr_range, settings.lr_range_steps)
    seeds = range(settings.seed, settings.seed + settings.lr_range_seeds)
    losses = np.stack([range_test(lab.recipe, lab.inputs.data, lab.hardware, lrs, seed) for seed in seeds])
    steps = np.minimum(np.isfinite(losses).sum(1) + 1, len(lrs)).sum()  # A ramp's last step counts where it diverges.
    lab.spend(float(steps) / (len(lab.inputs.data.train) // lab.recipe.batch_size))
    bounds = find_bounds(LRCurve(lrs, losses))
    lab.suggest_rates(bounds.first)
    return bounds


def search(lab: Lab, defaults_first: bool, wall: tuple[float, float] | None = None) -> None:
    """Search until the budget is spent or the samples are used up.

    In the track without the defaults the first trial has the range test's rates, and the sampler draws the rest: the
    program's own first trial takes all else from the defaults.

    Args:
        lab: What to train with.
        defaults_first: Whether the defaults are tried first, before the range test's rates.
        wall: Bounds of ``max_lr`` in place of the range test's.

    Raises:
        BudgetSpent: The budget is spent.
        InputError: The range test refuses.
    """
    first: list[dict[str, Any]] = [defaults()] if defaults_first else []
    space: dict[str, BaseDistribution] = dict(SPACE)
    config = SearchConfig(lab.recipe, dict(space), settings_of(lab.repeat))
    if wall is None:
        bounds = measure_bounds(lab)
        first.append((defaults() if defaults_first else {}) | bounds.first)
        wall = bounds.low, bounds.high
    config = config.with_lr_bounds(*wall)
    with tempfile.TemporaryDirectory() as folder:
        SearchLoop(lab.start, config, tuple(first), config.policy, Path(folder) / "audit.json").run()


class Trained(Protocol):
    """A trial that trains on demand: :class:`benchmarks.race.lab.Running`, or one that was recorded."""

    rows: list[EpochMetrics]
    """Epochs so far."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""

    def advance(self, epoch: int) -> float:
        """Train until ``epoch``; return its score."""


class SearchLoop:
    """A search as the program runs it with one worker, without Ray: Tune's controller with one trial at a time.

    Args:
        start: Starts a trial of some parameters.
        config: The search; its space has bounds for every field.
        first: Parameters to try first.
        policy: Who is pruned.
        audit: Path of the audit's file.
    """

    def __init__(
        self,
        start: Callable[[dict[str, float]], Trained],
        config: SearchConfig,
        first: tuple[dict[str, Any], ...],
        policy: Policy,
        audit: Path,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._start, self._settings = start, config.search
        self._rungs = (*policy.rungs, config.recipe.epochs)
        self._scheduler = PolicyScheduler(policy, Audit(audit, config))
        study, proposals = optuna.create_study(direction="maximize"), Proposals(config.domains, first)
        self._searcher = StudySearcher(study, proposals, config.search, config.recipe.epochs)

    def run(self) -> None:
        """Train trial after trial until the samples are used up, or until ``start`` or a trial raises."""
        for number in range(self._settings.samples):
            trial = SimpleNamespace(trial_id=str(number))
            trial.config = self._searcher.suggest(trial.trial_id)
            self._scheduler.on_trial_add(None, trial)
            self._train(trial)

    def _train(self, trial: SimpleNamespace) -> None:
        running = self._start(trial.config["params"])
        for rung in self._rungs:
            report = _advance(running, rung)
            stops = running.finished or self._scheduler.on_trial_result(None, trial, report) == TrialScheduler.STOP
            if stops:
                self._scheduler.on_trial_complete(None, trial, report)
                self._searcher.on_trial_complete(trial.trial_id, report)
                return
            self._searcher.on_trial_result(trial.trial_id, report)


def _advance(running: Trained, epoch: int) -> dict[str, Any]:
    before = len(running.rows)
    running.advance(epoch)
    rows = running.rows[before:]
    return {"epoch": rows[-1].epoch, SCORE: rows[-1].score, "epochs": [asdict(row) for row in rows]}
