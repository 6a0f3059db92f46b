"""What a range test recommends for LRMAX and LRMIN. Nothing here measures or draws."""

import math
from dataclasses import dataclass

from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.rule import Answer
from tune_s11.lr_range.suggestions import begins_to_fall

FEWEST_STEPS = 10
"""Steps without which a ramp says nothing."""

HIGHEST_FRACTION = 0.01
"""LRMIN over LRMAX beyond which a training ends worse (benchmarks/README.md, "LRMIN"): ramps may suggest more."""


@dataclass(frozen=True)
class LRBounds:
    """What a range test recommends for LRMAX and LRMIN, each with its reason.

    Attributes:
        low: Least LRMAX worth a trial.
        high: Greatest LRMAX worth a trial.
        suggestion: LRMAX to try first.
        min_lr: LRMIN to try first.
        reasons: One line for each of these names.
        unsure: Whether the test could not tell, and these are common values.
    """

    low: float
    high: float
    suggestion: float
    min_lr: float
    reasons: dict[str, str]
    unsure: bool = False

    @property
    def decades(self) -> float:
        """Width of the bounds for LRMAX."""
        return math.log10(self.high / self.low)

    @property
    def first(self) -> dict[str, float]:
        """The recipe's fields of the first trial."""
        return {"max_lr": self.suggestion, "min_lr_fraction": min(1.0, self.min_lr / self.suggestion)}


def bounds_of(answer: Answer, curve: LRCurve | None, min_lr_fraction: float) -> LRBounds:
    """Return the bounds that follow from what cycles recommend for LRMAX, and ramps for LRMIN.

    Args:
        answer: From the cycles.
        curve: Of the ramps; None where LRMIN is not to be found.
        min_lr_fraction: The recipe's LRMIN over LRMAX, where ramps say nothing.
    """
    min_lr, why = min_lr_fraction * answer.first, f"{min_lr_fraction:g} of LRMAX, as in the recipe"
    if curve is not None and not falls(curve):
        why += ": the ramps' loss never fell"
    elif curve is not None:
        min_lr = min(begins_to_fall(curve), HIGHEST_FRACTION * answer.first)
        why = "where the ramps' loss has made the first twentieth of its way down, at most a hundredth of LRMAX"
    return LRBounds(
        low=answer.low,
        high=answer.high,
        suggestion=answer.first,
        min_lr=min_lr,
        reasons=answer.reasons | {"min_lr": why},
        unsure=answer.unsure,
    )


def falls(curve: LRCurve) -> bool:
    """Return whether the loss falls anywhere along the ramps, so that something can be read off them."""
    lrs, loss = curve.finite()
    return len(lrs) >= FEWEST_STEPS and bool(loss.min() <= 0.95 * loss[0])
