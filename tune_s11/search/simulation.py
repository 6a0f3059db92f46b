"""Runs searches without Ray: an event loop over workers, with the program's own searcher, scheduler and audit.

Forecasts use it to simulate searches; benchmarks use it to replay recorded curves and to race real training runs. Syne
Tune also has its simulator in the package: Salinas et al., "Syne Tune: A Library for Large Scale Hyperparameter Tuning
and Reproducible Research" (AutoML 2022).
"""

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import optuna
from ray.tune.schedulers import TrialScheduler

from tune_s11.pruning import Policy
from tune_s11.search.audit import Audit
from tune_s11.search.study import Proposals
from tune_s11.search.tune.scheduler import PolicyScheduler
from tune_s11.search.tune.searcher import StudySearcher
from tune_s11.search_space import SearchConfig
from tune_s11.training.metrics import SCORE, EpochMetrics


def run_on_workers(start: Callable[[int], Iterator[float] | None], workers: int) -> float:
    """Run trials on workers, one event after another.

    Of simultaneous events, the one of the trial that started first comes first.

    Args:
        start: Function that starts the next trial on a worker, given the worker's number, and returns None once there
            is none left. A trial yields the time until its next event and is resumed then; its worker is free when it
            returns.
        workers: Number of workers, each of which runs one trial at a time.

    Returns:
        The time at which the last trial ended.
    """
    events: list[tuple[float, int, int, Iterator[float]]] = []
    order = itertools.count()

    def resume(now: float, number: int, worker: int, trial: Iterator[float]) -> bool:
        if (span := next(trial, None)) is None:
            return False
        heapq.heappush(events, (now + span, number, worker, trial))
        return True

    def start_next(now: float, worker: int) -> None:
        while (trial := start(worker)) is not None and not resume(now, next(order), worker, trial):
            pass  # That trial took no time, and the worker is still free.

    now = 0.0
    for worker in range(workers):
        start_next(now, worker)
    while events:
        now, number, worker, trial = heapq.heappop(events)
        if not resume(now, number, worker, trial):
            start_next(now, worker)
    return now


class Trained(Protocol):
    """A trial that trains on demand, or replays a recording."""

    rows: list[EpochMetrics]
    """Epochs so far."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""

    def advance(self, epoch: int) -> float:
        """Train until ``epoch``, or as far as possible; return the score there."""


class SearchWithoutRay:
    """The program's search with trials of any kind, run as Tune's controller would run it.

    It calls the searcher and the scheduler in the controller's order: the scheduler does not decide on a trial's last
    report, and the report on which a trial is stopped reaches the searcher only when the trial ends.

    Args:
        start: Function that starts a trial, given its ``number``, ``params`` and ``seed``; it trains nothing yet.
        config: Configuration of the search.
        proposals: Space, and recipes to try first.
        policy: Pruning policy.
        audit: Path of the audit's file.
    """

    def __init__(
        self,
        start: Callable[[dict[str, Any]], Trained],
        config: SearchConfig,
        proposals: Proposals,
        policy: Policy,
        audit: Path,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._start = start
        self._stops = (*policy.rungs, config.recipe.epochs)
        self._scheduler = PolicyScheduler(policy, Audit(audit, config))
        study = optuna.create_study(direction="maximize")
        self._searcher = StudySearcher(study, proposals, config.search, config.recipe.epochs)
        self._numbers = iter(range(config.search.samples))

    def run(self, epoch_times: Sequence[float] = (1.0,)) -> float:
        """Run trials until the samples are used up, or until ``start`` or a trial raises.

        Args:
            epoch_times: Time per epoch on each worker.

        Returns:
            The time at which the last trial ended.
        """
        return run_on_workers(lambda worker: self._next(epoch_times[worker]), len(epoch_times))

    def _next(self, pace: float) -> Iterator[float] | None:
        if (number := next(self._numbers, None)) is None:
            return None
        trial = SimpleNamespace(trial_id=str(number))
        trial.config = self._searcher.suggest(trial.trial_id)
        self._scheduler.on_trial_add(None, trial)
        return self._train(trial, self._start(trial.config), pace)

    def _train(self, trial: SimpleNamespace, running: Trained, pace: float) -> Iterator[float]:
        for stop in self._stops:
            done = len(running.rows)
            running.advance(stop)
            rows = running.rows[done:]
            yield len(rows) * pace
            report = {"epoch": rows[-1].epoch, SCORE: rows[-1].score, "epochs": [asdict(row) for row in rows]}
            if running.finished or self._scheduler.on_trial_result(None, trial, report) == TrialScheduler.STOP:
                self._scheduler.on_trial_complete(None, trial, report)
                self._searcher.on_trial_complete(trial.trial_id, report)
                return
            self._searcher.on_trial_result(trial.trial_id, report)
