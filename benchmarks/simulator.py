"""A search without its training: the program's own searcher, policy and audit, fed recorded curves by an event loop.

What Tune's controller does around them is done in its order: a trial's last report goes past the scheduler, the
report on which a trial is stopped past the searcher until the trial's end. Salinas et al., "Syne Tune: A Library for
Large Scale Hyperparameter Tuning" (AutoML 2022), simulate searches so.
"""

import heapq
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
from ray.tune.schedulers import TrialScheduler
from recorded import Curves, score_of_winner
from surrogate import Fate, Surrogate

from tune_s11.lr_range.bounds import LRBounds
from tune_s11.results import State, TrialResult
from tune_s11.results.records import AuditRecord, sound_record
from tune_s11.search.audit import Audit
from tune_s11.search.range_test import Proposals
from tune_s11.search.scheduler import PolicyScheduler
from tune_s11.search.searcher import StudySearcher
from tune_s11.search_space import SearchConfig
from tune_s11.training.metrics import SCORE, EpochMetrics


@dataclass(frozen=True)
class Workers:
    """What runs at once.

    Attributes:
        count: Trials at a time.
        stragglers: How many of them are slow.
        slowness: How many times longer than others these take for an epoch.
    """

    count: int
    stragglers: int = 0
    slowness: float = 1.0

    def epoch(self, worker: int) -> float:
        """What one takes for an epoch; the unit of time is a fast one's. The first ones are the slow ones."""
        return self.slowness if worker < self.stragglers else 1.0


@dataclass(frozen=True)
class Simulated:
    """A search that has come to its end.

    Attributes:
        trials: By number.
        fates: Of each, what it would have come to had nobody stopped it.
        audit: What ``audit.json`` held.
        time: Until the last trial ended, in epochs of a fast worker.
    """

    trials: list[TrialResult]
    fates: list[Fate]
    audit: AuditRecord | None
    time: float

    @property
    def spent(self) -> int:
        """Epochs trained."""
        return sum(trial.epoch for trial in self.trials)

    @property
    def saving(self) -> float:
        """Epochs of the same trials unpruned over those trained."""
        return sum(len(fate.signal) for fate in self.fates) / self.spent

    @property
    def best(self) -> float:
        """Final accuracy of the winner, on images apart; 0 where no trial is complete."""
        return self._score_of_winner(trial.number for trial in self.trials if trial.state == "complete")

    @property
    def lost(self) -> float:
        """How many points more the winner among the same trials would have had, had all run to their ends."""
        return 100 * (self._score_of_winner(range(len(self.fates))) - self.best)

    def _score_of_winner(self, unstopped: Iterable[int]) -> float:
        return score_of_winner([(fate.chosen_by, fate.score) for fate in map(self.fates.__getitem__, unstopped)])


@dataclass(frozen=True)
class World:
    """What a simulated search takes place in: curves to draw from, and the search that is simulated.

    Attributes:
        surrogate: Tells how trials go.
        config: Its space has bounds for every field.
        first: Parameters to try first, in this order.
    """

    surrogate: Surrogate
    config: SearchConfig
    first: tuple[dict[str, Any], ...]

    @staticmethod
    def recorded(curves: Curves, config: SearchConfig, between: tuple[float, float] | None = None) -> "World":
        """As a search on the recording's images would find it, its first trial from the range test.

        Args:
            curves: What was recorded.
            config: The search.
            between: Bounds of ``max_lr``; None: the range test's.
        """
        bounds = LRBounds(**curves.header["bounds"])
        bounded = config.with_lr_bounds(*(between or (bounds.low, bounds.high)))
        bounded = replace(bounded, recipe=config.recipe.model_copy(update={"epochs": curves.epochs}))
        return World(Surrogate(curves, bounded.space), bounded, (bounded.recipe.model_dump() | bounds.first,))

    def with_search(self, **changes: Any) -> "World":
        """The same with other settings of the search."""
        return replace(self, config=replace(self.config, search=self.config.search.model_copy(update=changes)))

    def simulate(self, workers: Workers) -> Simulated:
        """Runs the search; the same again for the same seed."""
        with tempfile.TemporaryDirectory() as folder:
            return _Loop(self, workers, Path(folder) / "audit.json").run()


def simulated_epoch(fate: Fate, epoch: int) -> EpochMetrics:
    """An epoch of a trial that is not trained: its score and whether it diverged; the other figures are none."""
    return EpochMetrics(
        epoch=epoch,
        lr=0.0,
        train_loss=None,
        train_accuracy=0.0,
        val_loss=None,
        val_accuracy=None,
        ema_val_loss=None,
        ema_val_accuracy=float(fate.signal[epoch - 1]),
        seconds=0.0,
        images_per_second=0.0,
        diverged=fate.diverged and epoch == len(fate.signal),
    )


class _Loop:
    """Trials on workers, one event after another. Of events at one time, the trial that started first has the first."""

    def __init__(self, world: World, workers: Workers, audit: Path) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._world, self._workers, self._audit = world, workers, audit
        self._settings, self._recipe = world.config.search, world.config.recipe
        self._scheduler = PolicyScheduler(world.config.policy, Audit(audit, world.config))
        study, proposals = optuna.create_study(direction="maximize"), Proposals(world.config.domains, world.first)
        self._searcher = StudySearcher(study, proposals, self._settings, self._recipe.epochs)
        self._rungs = world.config.policy.rungs
        self._trials: list[TrialResult] = []
        self._fates: list[Fate] = []
        self._events: list[tuple[float, int, int, Any]] = []
        """When a trial reports next, how many started before it, where it runs, itself."""

    def run(self) -> Simulated:
        now = 0.0
        for worker in range(min(self._workers.count, self._settings.samples)):
            self._start(now, worker)
        while self._events:
            now, _, worker, trial = heapq.heappop(self._events)
            if self._report(trial):
                self._schedule(now, worker, trial)
            elif len(self._trials) < self._settings.samples:
                self._start(now, worker)
        return Simulated(self._trials, self._fates, sound_record(AuditRecord, self._audit), now)

    def _start(self, now: float, worker: int) -> None:
        trial = SimpleNamespace(trial_id=str(len(self._trials)))
        trial.config = self._searcher.suggest(trial.trial_id)
        number, params = trial.config["number"], trial.config["params"]
        fate = self._world.surrogate.draw(params, np.random.default_rng((self._settings.seed, number)))
        ended = len(fate.signal)
        trial.reports = [*(rung for rung in self._rungs if rung < ended), ended]
        recipe = self._recipe.model_copy(update=params)
        self._trials.append(TrialResult(number, params, recipe, trial.config["seed"], None, [], "running"))
        self._fates.append(fate)
        self._scheduler.on_trial_add(None, trial)
        self._schedule(now, worker, trial)

    def _schedule(self, now: float, worker: int, trial: Any) -> None:
        number = trial.config["number"]
        epochs = trial.reports[0] - self._trials[number].epoch
        heapq.heappush(self._events, (now + epochs * self._workers.epoch(worker), number, worker, trial))

    def _report(self, trial: Any) -> bool:
        """Tells what the trial has to report, and whether it goes on."""
        number = trial.config["number"]
        result, fate = self._trials[number], self._fates[number]
        epoch = trial.reports.pop(0)
        rows = [simulated_epoch(fate, k) for k in range(result.epoch + 1, epoch + 1)]
        result.rows.extend(rows)
        report = {"epoch": epoch, SCORE: rows[-1].score, "epochs": [asdict(row) for row in rows]}
        if trial.reports and self._scheduler.on_trial_result(None, trial, report) == TrialScheduler.CONTINUE:
            self._searcher.on_trial_result(trial.trial_id, report)
            return True
        self._scheduler.on_trial_complete(None, trial, report)
        self._searcher.on_trial_complete(trial.trial_id, report)
        state: State = "pruned" if trial.reports else "diverged" if fate.diverged else "complete"
        self._trials[number] = replace(result, state=state)
        return False
