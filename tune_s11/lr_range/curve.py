"""The curve that an LR range test measures: training loss over a rising learning rate."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LRCurve:
    """The training loss over a rising learning rate.

    Attributes:
        lrs: Learning rate of each step, (steps,), rising.
        losses: Loss of each step of each seed's ramp, (seeds, steps); infinite after a ramp has ended.
    """

    lrs: Floats
    losses: Floats

    @property
    def smoothed(self) -> Floats:
        """Smoothed ramp of each seed, (seeds, steps)."""
        return np.stack([smooth(ramp) for ramp in self.losses])

    @property
    def loss(self) -> Floats:
        """Median of the smoothed ramps over the seeds, (steps,); all suggestions are read off it."""
        return np.median(self.smoothed, axis=0)

    def finite(self) -> tuple[Floats, Floats]:
        """Return learning rates and median losses up to where half of the ramps have ended."""
        loss = self.loss
        keep = np.isfinite(loss)
        return self.lrs[keep], loss[keep]

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists for JSON; None stands for infinity."""
        return {
            "lrs": self.lrs.tolist(),
            "losses": [[x if math.isfinite(x) else None for x in ramp] for ramp in self.losses.tolist()],
        }

    @staticmethod
    def from_dict(plain: dict[str, Any]) -> "LRCurve":
        """Build a curve from the result of :meth:`to_dict`."""
        losses = [[math.inf if x is None else x for x in ramp] for ramp in plain["losses"]]
        return LRCurve(np.array(plain["lrs"], float), np.array(losses, float))


def smooth(losses: Floats, beta: float = 0.9) -> Floats:
    """Return the exponential moving average with bias correction, (steps,); once a loss is infinite, it stays so."""
    average, smoothed = 0.0, []
    for step, loss in enumerate(losses, start=1):
        average = beta * average + (1 - beta) * loss
        smoothed.append(average / (1 - beta**step))
    return np.array(smoothed)
