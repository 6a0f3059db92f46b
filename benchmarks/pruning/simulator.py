"""A search over recorded curves: the program's own searcher, policy and audit, trials whose fate a surrogate tells."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pruning.curves import Curves, score_of_winner
from benchmarks.pruning.surrogate import Fate, Surrogate
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.results import State, TrialResult
from tune_s11.results.records import AuditRecord, sound_record
from tune_s11.search.simulation import SearchWithoutRay
from tune_s11.search_space import SearchConfig
from tune_s11.training.metrics import EpochMetrics


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

    @property
    def paces(self) -> list[float]:
        """What each takes for an epoch; the unit of time is a fast one's. The first ones are the slow ones."""
        return [self.slowness] * self.stragglers + [1.0] * (self.count - self.stragglers)


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
        started: list[tuple[dict[str, Any], _Fated]] = []

        def start(trial: dict[str, Any]) -> _Fated:
            generator = np.random.default_rng((self.config.search.seed, trial["number"]))
            started.append((trial, _Fated(self.surrogate.draw(trial["params"], generator))))
            return started[-1][1]

        with tempfile.TemporaryDirectory() as folder:
            audit = Path(folder) / "audit.json"
            time = SearchWithoutRay(start, self.config, self.first, self.config.policy, audit).run(workers.paces)
            record = sound_record(AuditRecord, audit)
        recipe, trials = self.config.recipe, []
        for trial, fated in started:
            made = recipe.model_copy(update=trial["params"])
            trials.append(
                TrialResult(trial["number"], trial["params"], made, trial["seed"], None, fated.rows, fated.state)
            )
        return Simulated(trials, [fated.fate for _, fated in started], record, time)


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


class _Fated:
    """A trial whose epochs are those of its fate."""

    def __init__(self, fate: Fate) -> None:
        self.rows: list[EpochMetrics] = []
        self.fate = fate

    @property
    def finished(self) -> bool:
        """Whether its fate has no further epoch."""
        return len(self.rows) == len(self.fate.signal)

    @property
    def state(self) -> State:
        """How it ended, once the search has."""
        return "pruned" if not self.finished else "diverged" if self.fate.diverged else "complete"

    def advance(self, epoch: int) -> float:
        """Add the epochs until ``epoch``; return the score there."""
        last = min(epoch, len(self.fate.signal))
        self.rows += [simulated_epoch(self.fate, number) for number in range(len(self.rows) + 1, last + 1)]
        return self.rows[-1].score
