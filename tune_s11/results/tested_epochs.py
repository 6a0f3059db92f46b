"""Reads and writes ``test_curve.jsonl``, the test curve of a refit; no other module does."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tune_s11.storage.files import read_lines, write_lines


@dataclass(frozen=True)
class EpochTestMetrics:
    """Test metrics of one epoch of a refit. Accuracies are fractions; losses are mean cross-entropies in nats."""

    epoch: int
    """Epochs completed, this one included."""
    test_loss: float | None
    """Test loss of the raw weights; None if it is not finite."""
    test_accuracy: float
    ema_test_loss: float | None
    """Test loss of the EMA weights; None if it is not finite, or, like the accuracy, if the recipe has no EMA."""
    ema_test_accuracy: float | None


_FIELDS = [field.name for field in fields(EpochTestMetrics)]
_OPTIONAL = ("test_loss", "ema_test_loss", "ema_test_accuracy")


def read_test_curve(path: Path) -> list[EpochTestMetrics]:
    """Read the epochs of a test curve; none if the file is missing. Damaged lines are skipped."""
    sound = (row for row in read_lines(path) if all(_is_sound(name, row) for name in _FIELDS))
    return [EpochTestMetrics(**{name: row[name] for name in _FIELDS}) for row in sound]


def write_test_curve(path: Path, epochs: Iterable[EpochTestMetrics]) -> None:
    """Write the file that :func:`read_test_curve` reads."""
    write_lines(path, map(asdict, epochs))


def _is_sound(name: str, row: dict[str, Any]) -> bool:
    if name not in row:
        return False
    value = row[name]
    if value is None:
        return name in _OPTIONAL
    return isinstance(value, int if name == "epoch" else (int, float)) and math.isfinite(value)
