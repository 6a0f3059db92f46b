"""Reads and writes the conclusions of a search as frozen records; no other module does."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from tune_s11.config import InputError, Recipe
from tune_s11.hardware import Hardware
from tune_s11.storage.files import write_whole


class Record(BaseModel):
    """Base of all records. Unknown fields, from a later version, are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def write(self, path: Path) -> None:
        """Write the file."""
        write_whole(path, self.model_dump_json(indent=2))


class Summary(Record):
    """Mean and spread of one measurement over several seeds."""

    mean: float
    sd: float | None
    """Sample standard deviation; None for a single value."""
    n: int

    @staticmethod
    def of(values: Sequence[float]) -> "Summary":
        """Summarise one or more values."""
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return Summary(mean=float(np.mean(values)), sd=sd, n=len(values))

    def __str__(self) -> str:
        spread = "" if self.sd is None else f" ± {self.sd:.4f}"
        return f"{self.mean:.4f}{spread}"


class AuditRecord(Record):
    """``audit.json``: the trials that continued although a rung would have stopped them."""

    one_in: int
    """One in this many of the trials to be stopped continues; 0: none does."""
    decisions: int
    """Number of trials that were to be stopped so far."""
    trials: dict[str, int]
    """Trials that continued, by name, with the epoch of the rung that each passed."""


class FinalistScores(Record):
    """A finalist's validation accuracy over seeds."""

    scores: tuple[float, ...]
    """Scores, one per seed; all finalists have the same seeds in the same order."""
    mean: float
    sd: float | None
    """Sample standard deviation; None for a single score."""
    n: int


class Margin(Record):
    """The lead of one finalist over another: the mean of their differences, seed by seed."""

    mean: float
    low: float | None
    """Lower end of Student's t interval; None with a single seed."""
    high: float | None
    confidence: float

    @property
    def within_noise(self) -> bool:
        """Whether the interval contains 0, or there is no interval."""
        return self.low is None or self.high is None or self.low <= 0 <= self.high


class Verdict(Record):
    """``finalists.json``: the finalists' scores, best mean first, and the winner."""

    seeds: tuple[int, ...]
    trials: dict[str, FinalistScores]
    winner: str
    runner_up: str
    margin: Margin
    """Winner's lead over the runner-up."""
    tied: bool
    """Whether the margin's interval contains 0, or there is no interval."""
    failed: tuple[str, ...] = ()
    """Finalists without a run left to compare."""
    gain: Margin | None = None
    """Winner's lead over the first trial, which shows what searching has gained; None: that trial won, or was not a
    finalist."""


class LengthScores(Record):
    """Validation accuracy of the winner's recipe, trained for one number of epochs from several seeds."""

    epochs: int
    scores: dict[int, float]
    """Score by seed."""
    mean: float
    sd: float | None
    """Sample standard deviation; None for a single score."""
    n: int
    low: float | None
    """Lower confidence limit of the mean; None for a single score."""


class Lengths(Record):
    """``lengths.json``: the search for the fewest epochs in which the winner reaches the target."""

    trial: str
    target: float
    confidence: float
    """Confidence of the lower limits, one-sided."""
    tried: tuple[LengthScores, ...]
    """Lengths in the order in which they were tried, the trials' own first."""
    fewest: int | None
    """Fewest epochs whose lower limit reaches the target; None: not even the trials' own."""


class Winner(Record):
    """``best/winner.json``: the trial and recipe that are refit."""

    trial: str
    recipe: Recipe


class RefitScores(Record):
    """``scores.json`` of one refit: shares of the test images that are classified correctly."""

    seed: int
    hardware: Hardware
    diverged: bool
    raw: float
    ema: float | None
    """Share with the EMA weights; None if the recipe has no EMA."""

    @property
    def shipped(self) -> float:
        """Share with the weights that are shipped."""
        return self.raw if self.ema is None else self.ema


class Refits(Record):
    """``best/metrics.json``: test accuracy over the refits."""

    test_accuracy: Summary
    """Test accuracy of the weights that are shipped: the EMA weights, or the raw ones without an EMA."""
    test_accuracy_raw: Summary
    runs: tuple[RefitScores, ...]
    trial: str
    recipe: Recipe
    validation_accuracy: float | None
    """Validation accuracy of the trial."""


Kind = TypeVar("Kind", bound=Record)


def read_record(kind: type[Kind], path: Path) -> Kind:
    """Read the file of a record.

    Raises:
        FileNotFoundError: The file does not exist.
        InputError: The file is damaged.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError:
        raise InputError(f"{path} is damaged") from None


def read_record_or_none(kind: type[Kind], path: Path) -> Kind | None:
    """Read the file of a record; return None if it is missing or damaged."""
    try:
        return read_record(kind, path)
    except (OSError, InputError):
        return None
