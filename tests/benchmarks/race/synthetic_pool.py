"""Pools with known answers."""

from collections.abc import Sequence
from typing import Any

HEADER: dict[str, Any] = {"of": {"recipe": {"epochs": 4}}}


def line(
    number: int, validation: float, score: float | None, max_lr: float = 0.5, diverged_at: int | None = None
) -> dict[str, Any]:
    """A line of a configuration that ends at ``validation``, or diverges in an epoch."""
    epochs = diverged_at or 4
    curve = [round(validation * epoch / 4, 4) for epoch in range(1, epochs + 1)]
    if diverged_at:
        curve[-1] = 0.0
    return {
        "number": number,
        "config": {"max_lr": max_lr},
        "curve": {"train_loss": [1.0] * epochs, "raw": [value / 2 for value in curve], "ema": curve},
        "score": None if diverged_at else {"raw": score, "ema": score},
        "diverged_at": diverged_at,
        "seconds": 1.5,
        "processor": "AMX",
    }


def again(number: int, scores: Sequence[float]) -> list[dict[str, Any]]:
    """Lines of runs from fresh seeds."""
    return [line(number, score, score) | {"repeat": repeat} for repeat, score in enumerate(scores, start=1)]
