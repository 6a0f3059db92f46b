"""What a training run reports of an epoch, and the folder that it leaves. Needs no torch."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tune_s11.storage.files import Below, read_lines, write_lines

SCORE = "ema_val_accuracy"
"""The key under which a trial reports its :attr:`EpochMetrics.score`; the name is that of the recipe's default."""


@dataclass(frozen=True)
class EpochMetrics:
    """One epoch. Accuracies are fractions, losses mean cross-entropies in nats.

    Validation figures are None where nothing validates, and those of the EMA where the recipe has none. When an epoch
    has diverged its losses are None and its accuracies 0: finite, and worse than any other.
    """

    epoch: int
    """Epochs done, this one included."""
    lr: float
    """Learning rate of the epoch's last step."""
    train_loss: float | None
    """With label smoothing, over augmented images, while the weights were moving."""
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    """Of the raw weights."""
    ema_val_loss: float | None
    ema_val_accuracy: float | None
    """Of the moving average of the weights."""
    seconds: float
    """Wall time, validation included."""
    images_per_second: float
    """Training images over the wall time of the steps alone."""
    diverged: bool

    @property
    def score(self) -> float:
        """What ranks epochs, rungs and trials: validation accuracy of the EMA weights, or else of the raw ones."""
        score = self.val_accuracy if self.ema_val_accuracy is None else self.ema_val_accuracy
        assert score is not None, "a refit validates nothing"
        return score


_FIELDS = [field.name for field in fields(EpochMetrics)]


def metrics_of(row: Mapping[str, Any]) -> EpochMetrics:
    """An epoch from plain values, as :func:`dataclasses.asdict` makes them; what else there is in them is ignored.

    Raises:
        KeyError: One is missing.
    """
    return EpochMetrics(**{name: row[name] for name in _FIELDS})


def read_metrics(path: Path) -> list[EpochMetrics]:
    """The epochs of a ``metrics.jsonl``; none where it is missing, and lines that are damaged are left out."""
    return [metrics_of(row) for row in read_lines(path) if row.keys() >= set(_FIELDS)]


def write_metrics(path: Path, epochs: Iterable[EpochMetrics]) -> None:
    """Writes what :func:`read_metrics` reads."""
    write_lines(path, map(asdict, epochs))


@dataclass(frozen=True)
class RunFolder:
    """What training in a folder leaves there.

    Attributes:
        path: The folder.
    """

    path: Path

    metrics = Below("metrics.jsonl")
    """A line an epoch."""
    checkpoint = Below("checkpoint.pt")
    """Of the last epoch, or one shortly before."""

    def epochs(self) -> list[EpochMetrics]:
        """Those that are recorded."""
        return read_metrics(self.metrics)
