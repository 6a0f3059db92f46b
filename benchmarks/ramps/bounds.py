"""The program's former range test, now a baseline: bounds read off ramps alone, without training cycles."""

import math

from tune_s11.config import InputError
from tune_s11.lr_range.bounds import LRBounds, falls
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.suggestions import begins_to_fall

MARGIN = 5.0
"""Ratio of the rate at which ramps end to the greatest ``max_lr`` worth a trial. A ramp passes through a rate in a few
steps, but a trial stays near it for hundreds."""

SPAN = 30.0
"""Ratio of the bounds for ``max_lr``: just under 1.5 decades.

With this span and margin, the bounds held the best ``max_lr`` under 18 of 18 conditions (benchmarks/ramps/record.py).
"""


def find_bounds(curve: LRCurve) -> LRBounds:
    """Return bounds for ``max_lr``, and first values for ``max_lr`` and ``min_lr``.

    The lowest loss, from which most rules start, does not work here: with unscaled logits, the loss has a first minimum
    near 0.03 on CIFAR-10, a tenth of the ``max_lr`` that trains this network best.

    Raises:
        InputError: The loss never fell, so the curve is uninformative.
    """
    if not falls(curve):
        raise InputError(
            f"range test: the loss did not fall between {curve.lrs[0]:g} and {curve.lrs[-1]:g}; "
            "expected other ends (search.lr_range) or given bounds (--lr-bounds LOW HIGH)"
        )
    last = float(curve.finite()[0][-1])
    high = last / MARGIN
    if last < curve.lrs[-1]:
        end = f"the last rate before most ramps diverged, {last:.3g}"
    else:  # batch norm and small logits tolerate almost any rate: then the range's end is as good a limit as any
        end = f"the end of the range, {last:.3g}, which most ramps reached without diverging"
    low = high / SPAN
    return LRBounds(
        low=low,
        high=high,
        suggestion=math.sqrt(low * high),
        min_lr=begins_to_fall(curve),
        reasons={
            "high": f"{end}, over {MARGIN:g}",
            "low": f"the upper bound over {SPAN:g}",
            "suggestion": "the geometric middle of the bounds",
            "min_lr": "where the loss has made the first twentieth of its way down",
        },
    )
