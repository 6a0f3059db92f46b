"""Tables and goals of ``benchmarks.ramps.record``."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.ramps.analysis import RULES, Measured, compare_momenta, try_rule
from benchmarks.tools.goals import at_least, at_most, judged

LEAST = 12
"""Smallest number of conditions over which the goals may be judged."""


def tell(measured: Sequence[Measured]) -> None:
    """Print the sweeps beside the bounds, how the rules compare, and what carries over between momenta."""
    n = len(measured)
    print(f"\nmax_lr (n = {n} conditions). Best: the middle of what is within a standard error of the highest accuracy")
    print("Loses: points at the rate to try first. Spread of the upper bound: from single seeds, from any three of ten")
    heads = [("best", 8), ("within an error", 18), ("accuracy", 10), ("bounds", 16)]
    heads += [("first", 8), ("loses", 8), ("spread", 15), ("fails", 12)]
    print(" " * 42 + "".join(f"{head:>{width}}" for head, width in heads))
    for each in measured:
        low, high = each.rates.plateau
        spread = f"{_spread(each, 1):.2f}x, {_spread(each, 3):.2f}x"
        bounds = each.bounds
        told = ("none", "none", "none")
        if bounds is not None:
            lost = each.rates.lost(bounds.suggestion)
            told = (_range(bounds.low, bounds.high), f"{bounds.suggestion:.3g}", f"{lost:.1f}")
        print(
            f"{each.condition!s:42}{each.rates.best:8.3g}{_range(low, high):>18}{each.rates.accuracies.max():10.4f}"
            f"{told[0]:>16}{told[1]:>8}{told[2]:>8}{spread:>15}{_from(each):>12}"
        )
    print(f"\nmin_lr/max_lr at that max_lr\n{'':42}{'best':>8}{'within an error':>18}{'first':>10}")
    for each in measured:
        low, high = each.fractions.plateau
        bounds = each.bounds
        first = "none" if bounds is None else f"{bounds.first['min_lr_fraction']:.3g}"
        print(f"{each.condition!s:42}{each.fractions.best:8.2g}{_range(low, high):>18}{first:>10}")
    _tell_rules(measured)
    _tell_momenta(measured)


def _tell_rules(measured: Sequence[Measured]) -> None:
    print("\nSuggestions beside the best max_lr; of single seeds the highest over the lowest of ten is the spread")
    print("A multiple: within a factor 2 after division by the median ratio")
    heads = [("within 2x", 10), ("median of best", 16), ("a multiple", 12)]
    heads += [("median spread", 15), ("worst spread", 14), ("loses, median", 15), ("worst", 8)]
    print(" " * 20 + "".join(f"{head:>{width}}" for head, width in heads))
    for rule in RULES:
        result = try_rule(rule, measured)
        share, scaled = result.within(2), result.within(2, scaled=True)
        print(
            f"{rule:20}{share:10.0%}{result.typical:15.2f}x{scaled:12.0%}"
            f"{np.median(result.spreads):14.2f}x{result.spreads.max():13.2f}x"
            f"{np.median(result.lost):15.1f}{result.lost.max():8.1f}"
        )


def _tell_momenta(measured: Sequence[Measured]) -> None:
    print("\nmax_lr / effective max_lr, which is max_lr/(1 - momentum), over the momenta")
    print(f"{'':28}{'highest best over lowest':>26}{'failed below survivors':>26}{'bounds of one hold the other':>30}")
    for group in compare_momenta(measured):
        plain, effective, pairs = group.carried
        print(
            f"{group.name:28}{f'{group.ranges[0]:.2f}x / {group.ranges[1]:.2f}x':>26}"
            f"{f'{group.misplaced[0]:.0%} / {group.misplaced[1]:.0%}':>26}{f'{plain} / {effective} of {pairs}':>30}"
        )


def judge(measured: Sequence[Measured]) -> dict[str, Any]:
    """Return the goals of the bounds over the measured conditions."""
    n = len(measured)
    held = sum(each.bounds is not None and each.bounds.low <= each.rates.best <= each.bounds.high for each in measured)
    spans = [np.log10(each.bounds.high / each.bounds.low) for each in measured if each.bounds is not None]
    span = float(max(spans, default=np.inf))
    near = try_rule("the program's", measured).within(2)
    spread = max(_spread(each, 3) for each in measured)
    return judged(
        {
            "conditions": at_least(n, LEAST),
            "bounds_hold_the_best": at_least(held / n, 1.0),
            "span_in_decades": at_most(span, 1.5),
            "suggestion_within_2x": at_least(near, 0.8),
            "spread_over_seeds": at_most(spread, 1.5),
        }
    )


def _spread(each: Measured, seeds: int) -> float:
    """Return the highest over the lowest upper bound from ``seeds`` seeds; infinite if some choices give none."""
    highs = [np.nan if bounds is None else bounds.high for bounds in each.bounds_of(seeds)]
    return float(max(highs) / min(highs)) if np.isfinite(highs).all() else np.inf


def _range(low: float, high: float) -> str:
    return f"{low:.3g} to {high:.3g}"


def _from(each: Measured) -> str:
    """Return the lowest rate at which a training failed, as text."""
    failed = each.rates.failed
    return f"from {each.rates.values[failed].min():.3g}" if failed.any() else "none"
