"""Names the metrics of an epoch as other programs show them."""

from collections.abc import Mapping
from typing import Any

_TAGS = {
    "accuracy/training": "train_accuracy",
    "accuracy/validation": "val_accuracy",
    "accuracy/validation_averaged": "ema_val_accuracy",
    "loss/training": "train_loss",
    "loss/validation": "val_loss",
    "loss/validation_averaged": "ema_val_loss",
    "learning_rate": "lr",
    "images_per_second": "images_per_second",
    # For refits, which validate nothing.
    "accuracy/test": "test_accuracy",
    "accuracy/test_averaged": "ema_test_accuracy",
    "loss/test": "test_loss",
    "loss/test_averaged": "ema_test_loss",
}
"""Tag -> field of :class:`tune_s11.training.metrics.EpochMetrics` or
:class:`tune_s11.results.tested_epochs.EpochTestMetrics`."""


def tagged(row: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics of an epoch by tag, without those that it does not have.

    Args:
        row: Fields of an epoch, as :func:`dataclasses.asdict` makes them.
    """
    return {tag: row[field] for tag, field in _TAGS.items() if row.get(field) is not None}
