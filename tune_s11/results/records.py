"""What a search concludes, as its files hold it: frozen records, each read and written here alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from tune_s11.config import InputError, Recipe
from tune_s11.hardware import Hardware
from tune_s11.storage.files import write_whole


class Record(BaseModel):
    """Base of all records. A field that is unknown here, of a later version, is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def write(self, path: Path) -> None:
        """Writes the file."""
        write_whole(path, self.model_dump_json(indent=2))


class Summary(Record):
    """Equal measurements over several seeds."""

    mean: float
    sd: float | None
    """Sample standard deviation; None of a single one."""
    n: int

    @staticmethod
    def of(values: Sequence[float]) -> "Summary":
        """Of one value or more."""
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return Summary(mean=float(np.mean(values)), sd=sd, n=len(values))

    def __str__(self) -> str:
        spread = "" if self.sd is None else f" ± {self.sd:.4f}"
        return f"{self.mean:.4f}{spread}"


class AuditRecord(Record):
    """``audit.json``: which trials ran on against a rung's verdict."""

    one_in: int
    """Trials to be stopped of which one runs on; 0: none does."""
    decisions: int
    """Trials that were to be stopped so far."""
    trials: dict[str, int]
    """Those that ran on, by name, with the epoch of the rung that each passed."""


class FinalistScores(Record):
    """A finalist's validation accuracy over seeds."""

    scores: tuple[float, ...]
    """One a seed, the same seeds in the same order for all finalists."""
    mean: float
    sd: float | None
    """Sample standard deviation; None of a single score."""
    n: int


class Margin(Record):
    """By how much the winner leads: the mean of differences seed by seed."""

    mean: float
    low: float | None
    """Of Student's interval; None with a single seed."""
    high: float | None
    confidence: float


class Verdict(Record):
    """``finalists.json``: the finalists' scores, best mean first, and who won."""

    seeds: tuple[int, ...]
    trials: dict[str, FinalistScores]
    winner: str
    runner_up: str
    margin: Margin
    """Over the runner-up."""
    tied: bool
    """Whether the margin's interval holds 0, or there is none."""
    failed: tuple[str, ...] = ()
    """Finalists of which no run was left to compare."""


class Winner(Record):
    """``best/winner.json``: what is refit."""

    trial: str
    recipe: Recipe


class RefitScores(Record):
    """``scores.json`` of one refit: shares of the test images that are classified correctly."""

    seed: int
    hardware: Hardware
    diverged: bool
    raw: float
    ema: float | None
    """By the EMA weights; None where the recipe has no EMA."""

    @property
    def shipped(self) -> float:
        """By the weights that are shipped."""
        return self.raw if self.ema is None else self.ema


class Refits(Record):
    """``best/metrics.json``: test accuracy over the refits."""

    test_accuracy: Summary
    """Of the weights that are shipped: the EMA's, or the raw ones without an EMA."""
    test_accuracy_raw: Summary
    runs: tuple[RefitScores, ...]
    trial: str
    recipe: Recipe
    validation_accuracy: float | None
    """Of the trial, by which it was chosen."""


Kind = TypeVar("Kind", bound=Record)


def read_record(kind: type[Kind], path: Path) -> Kind:
    """Reads a record's file.

    Raises:
        FileNotFoundError: There is none.
        InputError: It is damaged.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError:
        raise InputError(f"{path} is damaged") from None


def sound_record(kind: type[Kind], path: Path) -> Kind | None:
    """As :func:`read_record`; None where the file is missing or damaged."""
    try:
        return read_record(kind, path)
    except (OSError, InputError):
        return None
