"""Accuracy against cost. That it looks right is for eyes."""

from typing import Any

from tests.report.figures.helpers import drawn
from tune_s11.report import figures


def row(epochs: int, mean: float, n: int, low: float | None = None) -> dict[str, Any]:
    return {"epochs": epochs, "accuracy": {"mean": mean, "sd": None, "n": n}, "low": low, "max_lr": 0.1, "by": "trials"}


def test_single_runs_means_and_limits_are_told_apart() -> None:
    rows = [row(2, 0.4, 1), row(12, 0.85, 3, 0.83), row(24, 0.93, 3, 0.92)]
    texts = drawn(figures.draw_lengths(rows, 0.9))
    assert {"mean over seeds", "a single run", "lower limit"} <= set(texts)
    assert "target 90 %" in texts
    assert set(drawn(figures.draw_lengths([row(2, 0.4, 1), row(4, 0.5, 1)], None))) == {"a single run"}
