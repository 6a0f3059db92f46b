"""Derives bounds and first values for ``max_lr`` and ``min_lr`` from a finished range test."""

import math
from dataclasses import dataclass

from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.rule import Answer
from tune_s11.lr_range.suggestions import begins_to_fall

FEWEST_STEPS = 10
"""Fewest steps with a finite loss for the ramps to suggest anything."""

HIGHEST_FRACTION = 0.01
"""Highest ``min_lr`` over ``max_lr``. Above it, trainings end worse (benchmarks/lr_range/README.md), although ramps may
suggest more."""


@dataclass(frozen=True)
class LRBounds:
    """Recommended values for ``max_lr`` and ``min_lr``, each with its reason.

    Attributes:
        low: Lowest ``max_lr`` worth a trial.
        high: Highest ``max_lr`` worth a trial.
        suggestion: ``max_lr`` to try first.
        min_lr: ``min_lr`` to try first.
        reasons: Reason for each of the values above, one line by the value's name.
        unsure: Whether the test was inconclusive; the values above are then common ones.
        momentum: Momentum of SGD for which the values for ``max_lr`` hold; for another one they are multiplied by
            :meth:`scale`. None: they hold for any momentum.
    """

    low: float
    high: float
    suggestion: float
    min_lr: float
    reasons: dict[str, str]
    unsure: bool = False
    momentum: float | None = None

    def scale(self, momentum: float) -> float:
        """Return the factor by which ``max_lr`` is multiplied at a momentum below 1.

        It is the square root of 1 - momentum, divided by its value at the bounds' momentum. Of the powers 0, 1/2 and 1
        of 1 - momentum, 1/2 is the one that is never far off for any network (benchmarks/lr_range, benchmarks/race).
        """
        return 1.0 if self.momentum is None else math.sqrt((1 - momentum) / (1 - self.momentum))

    def comparable(self, max_lr: float, momentum: float) -> float:
        """Convert a ``max_lr`` at some momentum to the corresponding one at the bounds' momentum."""
        return max_lr / self.scale(momentum)

    @property
    def decades(self) -> float:
        """Width of the bounds for ``max_lr``, in decades."""
        return math.log10(self.high / self.low)

    @property
    def first(self) -> dict[str, float]:
        """Values of the recipe's fields in the first trial."""
        return {"max_lr": self.suggestion, "min_lr_fraction": min(1.0, self.min_lr / self.suggestion)}


def bounds_of(answer: Answer, curve: LRCurve | None, min_lr_fraction: float) -> LRBounds:
    """Return the bounds: ``max_lr`` from the cycles, and ``min_lr`` from the ramps.

    Args:
        answer: Answer of the rule to the cycles.
        curve: Curve of the ramps; None if the test does not look for ``min_lr``.
        min_lr_fraction: The recipe's ``min_lr`` over ``max_lr``, used if the ramps suggest nothing.
    """
    min_lr, why = min_lr_fraction * answer.first, f"{min_lr_fraction:g} of max_lr, as in the recipe"
    if curve is not None and not falls(curve):
        why += ": the ramps' loss never fell"
    elif curve is not None:
        min_lr = min(begins_to_fall(curve), HIGHEST_FRACTION * answer.first)
        why = "where the ramps' loss has completed a twentieth of its drop, at most a hundredth of max_lr"
    return LRBounds(
        low=answer.low,
        high=answer.high,
        suggestion=answer.first,
        min_lr=min_lr,
        reasons=answer.reasons | {"min_lr": why},
        unsure=answer.unsure,
    )


def falls(curve: LRCurve) -> bool:
    """Return whether the loss falls anywhere along the ramps; otherwise they suggest nothing."""
    lrs, loss = curve.finite()
    return len(lrs) >= FEWEST_STEPS and bool(loss.min() <= 0.95 * loss[0])
