"""Recorded conditions: the ground truth about their learning rates, and what a rule may see of them."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.lr_range.conditions import CONDITIONS, Condition
from benchmarks.lr_range.record import RECORDINGS, SEEDS, Task, plan, recording_file
from benchmarks.tools.lines import read_lines
from tune_s11.config import InputError, Recipe, SearchSettings
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.cycles import Cycle, Outcome
from tune_s11.lr_range.measuring import ramp

Floats = npt.NDArray[np.float64]

CLASSES = 10
CHANCE = 1 / CLASSES
"""Accuracy that counts for a training that diverged, and for a rule that refuses to answer."""

CLOSE = 0.01
"""Difference from the best accuracy that still counts as the plateau."""

WORKERS = 4
"""Number of workers on which cycles are assumed to train in parallel when the time of a rule is computed."""

_ROUNDING = 1e-9
"""Tolerance for accuracies, which are recorded with four digits: a value on the boundary is inside."""


def or_chance(accuracy: float | None) -> float:
    """Return an accuracy, or chance for a training that diverged and has none."""
    return CHANCE if accuracy is None else accuracy


@dataclass(frozen=True)
class Recording:
    """One condition with everything that was recorded of it.

    The complete trainings that choose and those that score are separate: the best rate is that of the first seed, and
    accuracies are means over the other seeds, so that the best rate is not flattered by its own luck.
    """

    condition: Condition
    lines: dict[Task, dict[str, Any]]

    @cached_property
    def rates(self) -> Floats:
        """Peak learning rates, (rates,), in ascending order."""
        return np.array(self.condition.rates)

    @cached_property
    def recipe(self) -> Recipe:
        """Recipe of the condition; its images may not be available."""
        return Recipe(**self.condition.problem.fields)

    @cached_property
    def held_out(self) -> Floats:
        """Held-out accuracy after complete trainings, (seeds, rates); chance where one diverged."""
        found = [[self.lines[Task(self.recipe.epochs, rate, seed)] for rate in self.condition.rates] for seed in SEEDS]
        return np.array([[or_chance(line["held_out"]) for line in row] for row in found])

    @property
    def best(self) -> float:
        """Rate with the highest accuracy for the first seed; of equals, the middle one."""
        chosen = self.held_out[0]
        among = np.flatnonzero(chosen >= chosen.max() - _ROUNDING)
        return float(self.rates[among[len(among) // 2]])

    @property
    def plateau(self) -> tuple[float, float]:
        """Lowest and highest rate whose accuracy, averaged over all seeds, is within a point of the highest."""
        mean = self.held_out.mean(axis=0)
        among = self.rates[mean >= mean.max() - CLOSE - _ROUNDING]
        return float(among[0]), float(among[-1])

    def accuracy(self, rate: float) -> float:
        """Return the accuracy at a rate: linear in its logarithm between recorded rates, constant beyond them."""
        return float(np.interp(math.log(rate), np.log(self.rates), self.held_out[1:].mean(axis=0)))

    def lost(self, rate: float | None) -> float:
        """Return how much lower the accuracy is at a rate than at the best one, in percentage points.

        Args:
            rate: Rate of a rule; None: the rule refused to answer, which counts as chance.
        """
        return 100 * (self.accuracy(self.best) - (CHANCE if rate is None else self.accuracy(rate)))

    @property
    def seconds(self) -> float:
        """Processor time of a complete training at the best rate, averaged over seeds."""
        whole = self.recipe.epochs
        return float(np.mean([self.lines[Task(whole, self.best, seed)]["seconds"] for seed in SEEDS]))

    @cached_property
    def curve(self) -> LRCurve:
        """Ramps, as the program's range test measures them."""
        settings = SearchSettings()
        rates = ramp("exponential", *settings.lr_range, settings.lr_range_steps)
        ramps = [line for task, line in sorted(self.lines.items(), key=lambda item: item[0].seed) if task.epochs == 0]
        return LRCurve.from_dict({"lrs": rates.tolist(), "losses": [line["losses"] for line in ramps]})

    @property
    def ramp_epochs(self) -> float:
        """Cost of the ramps in epochs, as if none had stopped early."""
        assert self.recipe.train_images is not None
        trained = round(self.recipe.train_images * (1 - self.recipe.val_fraction))
        return self.curve.losses.size / (trained // self.recipe.batch_size)


class Bench:
    """View of a recording for a rule: the cycles that it requests, and their cost."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.epochs = 0.0
        """Epochs spent so far."""
        self.seconds = 0.0
        """Time from the first cycle to the last, on ``WORKERS`` workers that train a round's cycles in parallel."""

    def train(self, cycle: Cycle) -> Outcome:
        """Return the outcome of a recorded cycle.

        Raises:
            KeyError: No such cycle was recorded.
        """
        return self.train_all([cycle])[cycle]

    def train_all(self, cycles: Sequence[Cycle]) -> dict[Cycle, Outcome]:
        """Return the outcomes of the recorded cycles of a round.

        Raises:
            KeyError: One of them was not recorded.
        """
        found, free_at = {}, [0.0] * WORKERS
        for cycle in cycles:
            line = self.recording.lines[cycle]
            trained = cycle.epochs if line["diverged_at"] is None else int(line["diverged_at"])
            found[cycle] = Outcome(line["ema"], line["ema_loss"], trained)
            self.epochs += trained
            heapq.heapreplace(free_at, free_at[0] + line["seconds"])
        self.seconds += max(free_at)
        return found

    def ramps(self) -> LRCurve:
        """Return the ramps of all seeds, and count their epochs."""
        self.epochs += self.recording.ramp_epochs
        return self.recording.curve


def read_recording(condition: Condition, recordings: Path = RECORDINGS) -> Recording | None:
    """Read the recording of a condition; return None if it is incomplete.

    Raises:
        InputError: The file is not a recording.
    """
    _, *lines = read_lines(recording_file(condition.name, recordings)) or [{}]
    try:
        found = {Task(line["epochs"], line["max_lr"], line["seed"]): line for line in lines}
    except KeyError as error:
        raise InputError(f"{recording_file(condition.name, recordings)}: a line has no {error}") from None
    return Recording(condition, found) if all(task in found for task in plan(condition)) else None


def read_recordings(aside: bool, recordings: Path = RECORDINGS) -> list[Recording]:
    """Read all recorded conditions, either those that rules are designed on or those that are held out."""
    here = [condition for condition in CONDITIONS.values() if condition.problem.aside is aside]
    return [found for condition in here if (found := read_recording(condition, recordings))]
