"""Metrics of a training run's epochs, and the files in its folder. Needs no torch."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tune_s11.storage.files import Below, read_lines, write_lines

SCORE = "ema_val_accuracy"
"""Key under which a trial reports its :attr:`EpochMetrics.score`: the metric that this is in the default recipe."""


@dataclass(frozen=True)
class EpochMetrics:
    """Metrics of one epoch. Accuracies are fractions; losses are mean cross-entropies in nats.

    Validation metrics are None if nothing is validated. EMA metrics are also None if the recipe has no EMA. If the
    epoch has diverged, losses are None and accuracies are 0, which is finite and ranks last.
    """

    epoch: int
    """Epochs completed, this one included."""
    lr: float
    """Learning rate of the epoch's last step."""
    train_loss: float | None
    """Mean training loss of the epoch's steps, with label smoothing, on augmented images."""
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    """Validation accuracy of the raw weights."""
    ema_val_loss: float | None
    ema_val_accuracy: float | None
    """Validation accuracy of the EMA weights."""
    seconds: float
    """Wall time, validation included."""
    images_per_second: float
    """Training images per second of the steps' wall time, validation excluded."""
    diverged: bool

    @property
    def score(self) -> float:
        """Validation accuracy of the EMA weights, or the raw ones without an EMA; it ranks epochs and trials."""
        score = self.val_accuracy if self.ema_val_accuracy is None else self.ema_val_accuracy
        assert score is not None, "a refit validates nothing"
        return score


_FIELDS = [field.name for field in fields(EpochMetrics)]


def metrics_of(row: Mapping[str, Any]) -> EpochMetrics:
    """Build metrics from plain values, as :func:`dataclasses.asdict` returns them; other keys are ignored.

    Raises:
        KeyError: A field is missing.
    """
    return EpochMetrics(**{name: row[name] for name in _FIELDS})


def read_metrics(path: Path) -> list[EpochMetrics]:
    """Return the epochs of a ``metrics.jsonl``; none if it is missing. Damaged lines are skipped."""
    return [metrics_of(row) for row in read_lines(path) if row.keys() >= set(_FIELDS)]


def write_metrics(path: Path, epochs: Iterable[EpochMetrics]) -> None:
    """Write the file that :func:`read_metrics` reads."""
    write_lines(path, map(asdict, epochs))


@dataclass(frozen=True)
class RunFolder:
    """The folder of a training run.

    Attributes:
        path: Path of the folder.
    """

    path: Path

    metrics = Below("metrics.jsonl")
    """Metrics, one line per epoch."""
    checkpoint = Below("checkpoint.pt")
    """Checkpoint of the last epoch, or of one shortly before it."""

    def epochs(self) -> list[EpochMetrics]:
        """Return the recorded epochs."""
        return read_metrics(self.metrics)
