"""Recordings made up so that the right answer is known by construction."""

from typing import Any

import numpy as np

from benchmarks.pruning.curves import build_curves
from benchmarks.pruning.recording import draw
from benchmarks.pruning.simulator import World
from tune_s11.search_space import load_space

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


BOUNDS = {"low": 0.067, "high": 2.0, "suggestion": 0.667, "min_lr": 0.0026}


def recording_of_s11(
    count: int, *, noise: float = 0.02, between: tuple[float, float] = (BOUNDS["low"], BOUNDS["high"])
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Header and lines of random configurations of the s11 space, best at max_lr 0.4 and momentum 0.9; two diverge.

    Args:
        count: Configurations.
        noise: Standard deviation of an early epoch's accuracy from what ranks the end; it vanishes by the end.
        between: Bounds of max_lr.
    """
    space = load_space("s11").with_lr_bounds(*between).space
    configs = [draw(space, 0, number) for number in range(count)]
    distance = [
        np.log10(config["max_lr"] / 0.4) ** 2 + ((config["momentum"] - 0.9) / 0.1) ** 2 / 2 for config in configs
    ]
    scores = (0.8 - 0.1 * np.array(distance) + np.arange(count) / 1e6).round(6)  # no two are equal
    deviation = dict(zip(scores, np.random.default_rng(0).normal(0, noise, (count, EPOCHS + 1)), strict=True))

    def signal(score: float, epoch: int) -> float:
        return float(score * (1 - np.exp(-epoch / 4)) + deviation[score][epoch] * (1 - epoch / EPOCHS))

    header, lines = recording(scores, signal, diverged={3: 2, 7: 9})
    for line, config in zip(lines, configs, strict=True):
        line["config"] = config
    return header | {"bounds": BOUNDS | {"reasons": {}}}, lines


def s11_world() -> World:
    """A short search over 30 such configurations, with trials of every end and audited ones in it."""
    world = World.recorded(build_curves(*recording_of_s11(30)), load_space("s11"))
    return world.with_search(samples=13, grace=2, factor=2.0, audit=0.5, seed=1)
