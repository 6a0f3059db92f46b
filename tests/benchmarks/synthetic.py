"""Recordings made up so that the right answer is known by construction."""

from typing import Any

import numpy as np

EPOCHS = 24
PROBES = {"1/2": (2, 3, 4, 6, 8, 12)}


def recording(
    scores: "np.typing.NDArray[np.float64]", signal: Any, *, diverged: dict[int, int] | None = None, probe: Any = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Header and lines of trials that end at ``scores`` and showed ``signal(score, epoch)`` on the way.

    Args:
        scores: (n,).
        signal: Of every average and the raw weights.
        diverged: Trial -> epoch in which it did.
        probe: Of the probes, likewise; None: as ``signal``.
    """
    lines = []
    for number, score in enumerate(scores):
        end = (diverged or {}).get(number)
        epochs = range(1, (end or EPOCHS) + 1)
        values = [0.0 if epoch == end else float(signal(score, epoch)) for epoch in epochs]
        annealed = {
            length: {str(epoch): dict.fromkeys(("raw", "ema"), float((probe or signal)(score, epoch))) for epoch in at}
            for length, at in {
                length: [epoch for epoch in at if epoch < len(epochs) or end is None] for length, at in PROBES.items()
            }.items()
        }
        lines.append(
            {
                "number": number,
                "config": {"max_lr": 0.1 * (1 + number), "momentum": 0.9},
                "curve": {
                    "train_loss": values,
                    **dict.fromkeys(("raw", "ema_1/6", "ema", "ema_1", "ema_recomputed"), values),
                },
                "probes": annealed,
                "score": None
                if end
                else {"raw": score, "ema": score, "validation_raw": score, "validation_ema": score},
                "diverged_at": end,
                "seconds": {"epoch": 2.0, "validation": 0.2, "recompute": 0.1, "probe_1/2": 0.8, "total": 50.0},
            }
        )
    return {"of": {"recipe": {"epochs": EPOCHS}}, "bounds": {"low": 0.1, "high": 1.0}, "manifest": {}}, lines
