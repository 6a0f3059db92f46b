"""Known rules that suggest a learning rate from a range test's curve. Each is a pure function of the curve."""

from collections.abc import Callable

import numpy as np

from tune_s11.lr_range.curve import LRCurve

# The four suggestions follow fastai's functions (fastai/callback/schedule.py), where they look like mistakes too. Its
# `lr_find` also leaves out the first tenth and the last five points of a curve.


def steepest(curve: LRCurve) -> float:
    """Return the rate at which the loss falls fastest over log LR."""
    lrs, loss = curve.finite()
    return float(lrs[:-1][np.argmin(np.diff(loss) / np.diff(np.log(lrs)))])


def minimum_over_10(curve: LRCurve) -> float:
    """Return a tenth of the rate at which the loss is lowest."""
    lrs, loss = curve.finite()
    return float(lrs[np.argmin(loss)]) / 10


def valley(curve: LRCurve) -> float:
    """Return the rate in the middle of the longest falling subsequence of the loss.

    As in fastai, it is taken to start as many steps before its end as it has points, as if they were consecutive.
    """
    lrs, loss = curve.finite()
    lengths = np.ones(len(loss), dtype=int)
    for end in range(1, len(loss)):
        lengths[end] += max(lengths[:end][loss[:end] > loss[end]], default=0)
    end = int(np.argmax(lengths))
    length = int(lengths[end])
    return float(lrs[max(0, end - length + length // 3 + length // 6)])


def slide(curve: LRCurve, window: int = 15, threshold: float = 0.005) -> float:
    """Slide a window down from the highest rate while the slopes at its ends differ by more than ``threshold``.

    Returns:
        The low end of the last such window; of the highest one, if not even its slopes differ.
    """
    lrs, loss = curve.finite()
    slope = np.gradient(loss)
    left = suggested = max(len(loss) - 1 - window, 0)
    while left >= 0 and abs(slope[min(left + window, len(loss) - 1)] - slope[left]) > threshold:
        suggested = left
        left -= 1
    return float(lrs[suggested])


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
