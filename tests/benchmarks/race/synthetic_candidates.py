"""Candidates with known answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.race.candidates import Candidates

EPOCHS = 12


def candidates(
    quality: Sequence[float] | Any,
    ema: Any = None,
    *,
    raw: Any = None,
    max_lr: Sequence[float] | None = None,
    diverged: Mapping[int, int] | None = None,
    defaults: float = 0.5,
) -> Candidates:
    """Candidates whose signals after each epoch, (n, 12), are their quality unless given.

    Args:
        quality: Of each configuration.
        ema: Validation accuracy of the EMA weights.
        raw: Of the raw weights; None: as ``ema``.
        max_lr: Of each configuration; None: 0.5.
        diverged: Rows that diverge, and in which epoch.
        defaults: Quality and validation accuracy of the defaults.
    """
    n = len(quality)
    scores = np.append(quality, defaults)
    flat = np.repeat(scores[:, None], EPOCHS, axis=1)
    signals = {"ema": flat.copy(), "raw": flat.copy()}
    if ema is not None:
        signals["ema"][:n] = signals["raw"][:n] = ema
    if raw is not None:
        signals["raw"][:n] = raw
    epochs_run = np.full(n + 1, EPOCHS)
    for row, epoch in (diverged or {}).items():
        epochs_run[row] = epoch
        scores[row] = 0.0
        for values in signals.values():
            values[row, epoch - 1 :] = 0.0
    return Candidates(
        [{"max_lr": rate} for rate in [*(max_lr or [0.5] * n), 0.4]],
        signals,
        epochs_run,
        np.isin(np.arange(n + 1), list(diverged or {})),
        scores,
        float(scores[:n].max()),
        float(np.median(scores[:n])),
    )


def noisy(n: int, seed: int = 0, noise: float = 0.1) -> tuple[Any, Any]:
    """Random qualities, (n,), and curves, (n, 12), that tell more of them with each epoch and all at the end."""
    generator = np.random.default_rng(seed)
    quality = generator.uniform(0.1, 0.9, n).round(4)
    left = 1 - np.arange(1, EPOCHS + 1) / EPOCHS
    return quality, np.clip(quality[:, None] + noise * left * generator.normal(size=(n, EPOCHS)), 0.01, 1).round(4)
