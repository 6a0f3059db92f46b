"""Known rules that suggest a learning rate from a range test's curve. Each is a pure function of the curve."""

from collections.abc import Callable

import numpy as np

from tune_s11.lr_range.curve import LRCurve

# The four suggestions follow fastai's definitions (fastai/callback/schedule.py).


def steepest(curve: LRCurve) -> float:
    """Return the rate at which the loss falls fastest over log LR."""
    lrs, loss = curve.finite()
    return float(lrs[:-1][np.argmin(np.diff(loss) / np.diff(np.log(lrs)))])


def minimum_over_10(curve: LRCurve) -> float:
    """Return a tenth of the rate at which the loss is lowest."""
    lrs, loss = curve.finite()
    return float(lrs[np.argmin(loss)]) / 10


def valley(curve: LRCurve) -> float:
    """Return the rate halfway through the middle third of the longest falling subsequence of the loss."""
    lrs, loss = curve.finite()
    lengths = np.ones(len(loss), dtype=int)
    starts = np.arange(len(loss))
    for end in range(1, len(loss)):
        before = np.flatnonzero(loss[:end] > loss[end])
        if len(before):
            best = before[np.argmax(lengths[before])]
            lengths[end], starts[end] = lengths[best] + 1, starts[best]
    end = int(np.argmax(lengths))
    third = (end - int(starts[end])) / 3
    return float(lrs[int(starts[end]) + int(third) + int(third / 2)])


def slide(curve: LRCurve, window: int = 15, threshold: float = 0.005) -> float:
    """Return the low end of the highest window with slopes at its two ends that agree within ``threshold``."""
    lrs, loss = curve.finite()
    slope = np.gradient(loss)
    left = max(len(loss) - 1 - window, 0)
    while left > 0 and abs(slope[min(left + window, len(loss) - 1)] - slope[left]) > threshold:
        left -= 1
    return float(lrs[left])


SUGGESTIONS: dict[str, Callable[[LRCurve], float]] = {
    "steepest": steepest,
    "valley": valley,
    "minimum/10": minimum_over_10,
    "slide": slide,
}


def begins_to_fall(curve: LRCurve) -> float:
    """Return the rate at which the loss has completed a twentieth of its drop."""
    lrs, loss = curve.finite()
    lowest = int(np.argmin(loss))
    level = loss[0] - 0.05 * (loss[0] - loss[lowest])
    return float(lrs[np.argmax(loss[: lowest + 1] <= level)])
