"""Compare a range test's bounds for ``max_lr`` with a sweep over ``max_lr``, in pure functions of recorded lines."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.pruning.curves import Floats
from benchmarks.ramps.bounds import find_bounds
from tune_s11.config import InputError
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.suggestions import SUGGESTIONS


@dataclass(frozen=True, order=True)
class Condition:
    """A condition that a range test may depend on."""

    dataset: str
    width: int
    batch_size: int
    momentum: float

    def __str__(self) -> str:
        return f"{self.dataset}, width {self.width}, batch {self.batch_size}, momentum {self.momentum:g}"


@dataclass(frozen=True)
class Sweep:
    """Accuracy over one field of the recipe.

    Attributes:
        values: Values of the field, (n,), in ascending order, about evenly spaced on a logarithmic scale.
        accuracies: Accuracies on held-out images, (n,); 0 where the training diverged.
        images: Number of these images.
    """

    values: Floats
    accuracies: Floats
    images: int

    @property
    def smoothed(self) -> Floats:
        """Accuracies, (n,), averaged with their neighbours at half the weight; diverged ones are left out."""
        alive = (self.accuracies > 0).astype(float)
        weights = np.convolve(alive, [0.25, 0.5, 0.25], "same")
        smoothed: Floats = np.convolve(self.accuracies, [0.25, 0.5, 0.25], "same") * alive / np.maximum(weights, 0.25)
        return smoothed

    @property
    def plateau(self) -> tuple[float, float]:
        """Ends of the range around the highest smoothed accuracy that is within its standard error.

        The standard error is that of a share of ``images`` images.
        """
        smoothed = self.smoothed
        top = int(np.argmax(smoothed))
        within = smoothed >= smoothed[top] - np.sqrt(smoothed[top] * (1 - smoothed[top]) / self.images)
        low = high = top
        while low > 0 and within[low - 1]:
            low -= 1
        while high < len(within) - 1 and within[high + 1]:
            high += 1
        return float(self.values[low]), float(self.values[high])

    @property
    def best(self) -> float:
        """Geometric middle of the plateau."""
        return float(np.sqrt(np.prod(self.plateau)))

    @property
    def failed(self) -> "np.typing.NDArray[np.bool_]":
        """Whether each training, (n,), failed: above the best, it diverged or has under half the highest accuracy."""
        failed: np.typing.NDArray[np.bool_] = (self.values > self.best) & (self.accuracies < self.accuracies.max() / 2)
        return failed

    def lost(self, value: float) -> float:
        """Return the points of smoothed accuracy lost at ``value``; beyond an end of the sweep, those at that end."""
        there = np.interp(np.log(value), np.log(self.values), self.smoothed)
        return float(100 * (self.smoothed.max() - there))


@dataclass(frozen=True)
class Measured:
    """All measurements under one condition.

    Attributes:
        rates: Sweep over ``max_lr``.
        fractions: Sweep over ``min_lr``/``max_lr`` at the best ``max_lr``.
        ramps: Ramps of the range test, one per seed.
    """

    condition: Condition
    rates: Sweep
    fractions: Sweep
    ramps: LRCurve

    @property
    def bounds(self) -> LRBounds | None:
        """Bounds as in a search, from the median of three seeds; None if the range test is uninformative."""
        return _bounds(_of_seeds(self.ramps, slice(3)))

    def bounds_of(self, seeds: int) -> list[LRBounds | None]:
        """Return the bounds from each choice of ``seeds`` seeds, or from all seeds if there are fewer."""
        n = len(self.ramps.losses)
        chosen = itertools.combinations(range(n), min(seeds, n))
        return [_bounds(_of_seeds(self.ramps, list(some))) for some in chosen]


def sweep_of(lines: Iterable[dict[str, Any]], field: str, images: int) -> Sweep:
    """Return the sweep of its trainings, in the order of ``field``."""
    points = sorted((line[field], line["accuracy"]) for line in lines)
    values, accuracies = np.array(points, float).reshape(-1, 2).T
    return Sweep(values, accuracies, images)


def collect(header: dict[str, Any], lines: Iterable[dict[str, Any]]) -> list[Measured]:
    """Return the conditions that are measured completely, in sorted order."""
    of = header["of"]
    by_condition: dict[Condition, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        by_condition[Condition(**line["condition"])][line["what"]].append(line)
    found = []
    for condition, parts in sorted(by_condition.items()):
        rates, fractions, ramps = (parts[what] for what in ("max_lr", "min_lr_fraction", "ramp"))
        if [len(rates), len(fractions), len(ramps)] != [of["rates"], of["fractions"], of["seeds"]]:
            continue
        images = of["images"]["apart"]
        losses = [line["losses"] for line in sorted(ramps, key=lambda line: int(line["seed"]))]
        found.append(
            Measured(
                condition,
                sweep_of(rates, "max_lr", images),
                sweep_of(fractions, "min_lr_fraction", images),
                LRCurve.from_dict({"lrs": of["lrs"], "losses": losses}),
            )
        )
    return found


def _of_seeds(curve: LRCurve, seeds: slice | list[int]) -> LRCurve:
    return LRCurve(curve.lrs, curve.losses[seeds])


def _bounds(curve: LRCurve) -> LRBounds | None:
    try:
        return find_bounds(curve)
    except InputError:
        return None


def pytorch_lr_finder(curve: LRCurve) -> float:
    """Return the rate where the loss falls most from step to step.

    Like that project's ``plot``, this leaves out the first ten steps and the last five.
    """
    finite = np.isfinite(curve.loss)
    lrs, loss = curve.lrs[finite][10:-5], curve.loss[finite][10:-5]
    return float(lrs[np.argmin(np.gradient(loss))])


RULES: dict[str, Callable[[LRCurve], float]] = {
    "the program's": lambda curve: find_bounds(curve).suggestion,
    **SUGGESTIONS,
    "pytorch-lr-finder": pytorch_lr_finder,
}
"""Rules that suggest a ``max_lr`` to try first, by name."""


def suggest(rule: str, curve: LRCurve) -> float:
    """Return the rule's ``max_lr``; NaN if it has none."""
    try:
        return RULES[rule](curve)
    except (InputError, ValueError, IndexError):  # the ramp is too short or too flat for the rule
        return np.nan


@dataclass(frozen=True)
class RuleResult:
    """Results of one rule.

    Attributes:
        ratios: Suggestion from three seeds over the best ``max_lr``, one per condition; NaN without a suggestion.
        spreads: Highest over lowest suggestion of single seeds, one per condition; infinite if a seed has none.
        lost: Points of accuracy lost by a training at the suggestion against one at the best, one per condition.
    """

    ratios: Floats
    spreads: Floats
    lost: Floats

    @property
    def typical(self) -> float:
        """Median ratio; NaN if there is no suggestion at all."""
        there = self.ratios[np.isfinite(self.ratios)]
        return float(np.median(there)) if there.size else np.nan

    def within(self, factor: float, scaled: bool = False) -> float:
        """Return the share of the conditions in which the suggestion, or a fixed multiple of it, is near the best.

        Args:
            factor: Factor within which a suggestion is near.
            scaled: Whether to take the multiple that is right in the median condition.
        """
        ratios = self.ratios / (self.typical if scaled else 1)
        return float(np.mean(np.abs(np.log(ratios)) <= np.log(factor) + 1e-9))


def try_rule(rule: str, measured: Sequence[Measured]) -> RuleResult:
    """Try one rule under all conditions."""
    ratios, spreads, lost = [], [], []
    for each in measured:
        suggestion = suggest(rule, _of_seeds(each.ramps, slice(3)))
        ratios.append(suggestion / each.rates.best)
        lost.append(each.rates.lost(suggestion))
        single = [suggest(rule, _of_seeds(each.ramps, [k])) for k in range(len(each.ramps.losses))]
        spreads.append(max(single) / min(single) if np.isfinite(single).all() else np.inf)
    return RuleResult(np.array(ratios), np.array(spreads), np.array(lost))


@dataclass(frozen=True)
class Momenta:
    """Comparison over conditions with different momenta; each pair is for ``max_lr`` and ``max_lr``/(1 - momentum).

    Attributes:
        name: Description of what the conditions share; ``all`` if they share nothing.
        ranges: Highest best rate over the lowest.
        misplaced: Share of the pairs of a failed and a surviving training in which the failed one had the lower rate;
            NaN if there are none.
        carried: Number of pairs in which the bounds of one momentum hold the best rate of another, followed by the
            number of all pairs.
    """

    name: str
    ranges: tuple[float, float]
    misplaced: tuple[float, float]
    carried: tuple[int, int, int]


def compare_momenta(measured: Sequence[Measured]) -> list[Momenta]:
    """Compare how well the learning rate and the effective one, ``max_lr``/(1 - momentum), carry over.

    Where gradients hardly change, steps of heavy-ball SGD add up to those of a rate 1/(1 - momentum) times as high.
    """
    groups: dict[str, list[Measured]] = defaultdict(list)
    for each in measured:
        groups[str(each.condition).rpartition(", ")[0]].append(each)
    compared = [_momenta(name, group) for name, group in groups.items() if len(group) > 1]
    return [*compared, _momenta("all", measured)] if len(groups) > 1 else compared


def _momenta(name: str, group: Sequence[Measured]) -> Momenta:
    ranges, misplaced, carried = [], [], []
    for effective in (False, True):
        factors = [1 / (1 - each.condition.momentum) if effective else 1.0 for each in group]
        best = [factor * each.rates.best for factor, each in zip(factors, group, strict=True)]
        ranges.append(max(best) / min(best))
        rates = np.concatenate([factor * each.rates.values for factor, each in zip(factors, group, strict=True)])
        gone = np.concatenate([each.rates.failed for each in group])
        pairs = rates[gone][:, None] < rates[~gone]
        misplaced.append(float(np.mean(pairs)) if pairs.size else np.nan)
        bounds = [
            None if each.bounds is None else (factor * each.bounds.low, factor * each.bounds.high)
            for factor, each in zip(factors, group, strict=True)
        ]
        carried.append(
            sum(
                ends is not None and ends[0] <= other <= ends[1]
                for k, ends in enumerate(bounds)
                for j, other in enumerate(best)
                if j != k
            )
        )
    return Momenta(
        name,
        (ranges[0], ranges[1]),
        (misplaced[0], misplaced[1]),
        (carried[0], carried[1], len(group) * (len(group) - 1)),
    )
