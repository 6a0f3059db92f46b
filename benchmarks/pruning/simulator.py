"""Simulate a search: the program's own searcher, policy and audit, over trials that a surrogate draws."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pruning.curves import Curves, score_of_winner
from benchmarks.pruning.surrogate import Course, Surrogate
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.results import State, TrialResult
from tune_s11.results.records import AuditRecord, read_record_or_none
from tune_s11.search.simulation import SearchWithoutRay
from tune_s11.search.study import Proposals
from tune_s11.search_space import SearchConfig
from tune_s11.training.metrics import EpochMetrics


@dataclass(frozen=True)
class Workers:
    """Workers that run one trial each at a time.

    Attributes:
        count: Number of workers.
        stragglers: Number of slow workers among them.
        slowness: Factor by which a slow worker takes longer for an epoch than the others.
    """

    count: int
    stragglers: int = 0
    slowness: float = 1.0

    @property
    def epoch_times(self) -> list[float]:
        """Time that each worker takes for an epoch, in epochs of a fast one; the slow ones come first."""
        return [self.slowness] * self.stragglers + [1.0] * (self.count - self.stragglers)


@dataclass(frozen=True)
class Simulated:
    """A simulated search that has finished.

    Attributes:
        trials: Trials by number.
        courses: Course of each trial without pruning.
        audit: Content of ``audit.json``.
        time: Time until the last trial finished, in epochs of a fast worker.
    """

    trials: list[TrialResult]
    courses: list[Course]
    audit: AuditRecord | None
    time: float

    @property
    def spent(self) -> int:
        """Epochs trained."""
        return sum(trial.epoch for trial in self.trials)

    @property
    def saving(self) -> float:
        """Epochs that the same trials would take without pruning, over epochs trained."""
        return sum(len(course.signal) for course in self.courses) / self.spent

    @property
    def best(self) -> float:
        """Final accuracy of the winner on held-out images; 0 if no trial is complete."""
        return self._score_of_winner(trial.number for trial in self.trials if trial.state == "complete")

    @property
    def lost(self) -> float:
        """Points of accuracy that the winner would have gained if all of the same trials had finished."""
        return 100 * (self._score_of_winner(range(len(self.courses))) - self.best)

    def _score_of_winner(self, unpruned: Iterable[int]) -> float:
        return score_of_winner([(course.chosen_by, course.score) for course in map(self.courses.__getitem__, unpruned)])


@dataclass(frozen=True)
class World:
    """A simulated search and the surrogate that draws its trials.

    Attributes:
        surrogate: Surrogate that draws the courses of trials.
        config: Search to simulate; its space has bounds for every field.
        first: Parameters to try first, in this order.
    """

    surrogate: Surrogate
    config: SearchConfig
    first: tuple[dict[str, Any], ...]

    @staticmethod
    def recorded(curves: Curves, config: SearchConfig, between: tuple[float, float] | None = None) -> "World":
        """Return the world of a search on the recording's images, whose first trial is from the range test.

        Args:
            curves: Recorded curves.
            config: Search to simulate.
            between: Bounds of ``max_lr``; None: those of the range test.
        """
        bounds = LRBounds(**curves.header["bounds"])
        bounded = config.with_lr_bounds(*(between or (bounds.low, bounds.high)))
        bounded = replace(bounded, recipe=config.recipe.model_copy(update={"epochs": curves.epochs}))
        return World(Surrogate(curves, bounded.space), bounded, (bounded.recipe.model_dump() | bounds.first,))

    def with_search(self, **changes: Any) -> "World":
        """Return the same world with other settings of the search."""
        return replace(self, config=replace(self.config, search=self.config.search.model_copy(update=changes)))

    def simulate(self, workers: Workers) -> Simulated:
        """Run the search; the result is the same for the same seed."""
        started: list[tuple[dict[str, Any], _SimulatedTrial]] = []

        def start(trial: dict[str, Any]) -> _SimulatedTrial:
            generator = np.random.default_rng((self.config.search.seed, trial["number"]))
            started.append((trial, _SimulatedTrial(self.surrogate.draw(trial["params"], generator))))
            return started[-1][1]

        with tempfile.TemporaryDirectory() as folder:
            audit = Path(folder) / "audit.json"
            proposals = Proposals(self.config.domains, self.first)
            time = SearchWithoutRay(start, self.config, proposals, self.config.policy, audit).run(workers.epoch_times)
            record = read_record_or_none(AuditRecord, audit)
        recipe, trials = self.config.recipe, []
        for trial, run in started:
            made = recipe.model_copy(update=trial["params"])
            trials.append(TrialResult(trial["number"], trial["params"], made, trial["seed"], None, run.rows, run.state))
        return Simulated(trials, [run.course for _, run in started], record, time)


def simulated_epoch(course: Course, epoch: int) -> EpochMetrics:
    """Return an epoch of a trial that is not trained: its score and whether it diverged; other figures are blank."""
    return EpochMetrics(
        epoch=epoch,
        lr=0.0,
        train_loss=None,
        train_accuracy=0.0,
        val_loss=None,
        val_accuracy=None,
        ema_val_loss=None,
        ema_val_accuracy=float(course.signal[epoch - 1]),
        seconds=0.0,
        images_per_second=0.0,
        diverged=course.diverged and epoch == len(course.signal),
    )


class _SimulatedTrial:
    """A trial that takes its epochs from its course."""

    def __init__(self, course: Course) -> None:
        self.rows: list[EpochMetrics] = []
        self.course = course

    @property
    def finished(self) -> bool:
        """Whether its course has no further epoch."""
        return len(self.rows) == len(self.course.signal)

    @property
    def state(self) -> State:
        """State of the trial after the search has finished."""
        return "pruned" if not self.finished else "diverged" if self.course.diverged else "complete"

    def advance(self, epoch: int) -> float:
        """Add the epochs up to ``epoch`` and return the score there."""
        last = min(epoch, len(self.course.signal))
        self.rows += [simulated_epoch(self.course, number) for number in range(len(self.rows) + 1, last + 1)]
        return self.rows[-1].score
