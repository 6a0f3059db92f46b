"""The test curve of a refit, as ``test_curve.jsonl`` holds it: read and written here alone."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tune_s11.storage.files import read_lines, write_lines


@dataclass(frozen=True)
class EpochTestMetrics:
    """One epoch of a refit on the test images. Accuracies are fractions, losses mean cross-entropies in nats."""

    epoch: int
    """Epochs done, this one included."""
    test_loss: float | None
    """Of the raw weights; None where it is not finite."""
    test_accuracy: float
    ema_test_loss: float | None
    """Of the moving average of the weights; None too, as is the accuracy, where the recipe has none."""
    ema_test_accuracy: float | None


_FIELDS = [field.name for field in fields(EpochTestMetrics)]
_OPTIONAL = ("test_loss", "ema_test_loss", "ema_test_accuracy")


def read_test_curve(path: Path) -> list[EpochTestMetrics]:
    """The epochs of a test curve; none where the file is missing, and lines that are damaged are left out."""
    sound = (row for row in read_lines(path) if all(_is_sound(name, row) for name in _FIELDS))
    return [EpochTestMetrics(**{name: row[name] for name in _FIELDS}) for row in sound]


def write_test_curve(path: Path, epochs: Iterable[EpochTestMetrics]) -> None:
    """Writes what :func:`read_test_curve` reads."""
    write_lines(path, map(asdict, epochs))


def _is_sound(name: str, row: dict[str, Any]) -> bool:
    if name not in row:
        return False
    value = row[name]
    if value is None:
        return name in _OPTIONAL
    return isinstance(value, int if name == "epoch" else (int, float)) and math.isfinite(value)
