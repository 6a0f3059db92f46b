"""Step 1 of a search: the LR range test, its ramps side by side on the workers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from ray import ObjectRef

from tune_s11.config import Recipe
from tune_s11.hardware import Hardware
from tune_s11.lr_range.curve import Floats, LRCurve
from tune_s11.lr_range.measuring import ramp, range_test
from tune_s11.results.range_test import RangeTest
from tune_s11.results.search import read_bounds
from tune_s11.search.context import Context
from tune_s11.search_space import RANGE_TEST
from tune_s11.training.trainer import TrainingData


@dataclass(frozen=True)
class Proposals:
    """Where trials come from.

    Attributes:
        space: Recipe field -> distribution; bounds in place of ``range_test``.
        first: Recipes to try first, in this order, as their fields; the others come from a sampler.
    """

    space: dict[str, BaseDistribution]
    first: tuple[dict[str, Any], ...]


def find_proposals(context: Context, data: ObjectRef, warm_start: tuple[Recipe, ...] = ()) -> Proposals:
    """Runs the range test where the space asks for it, unless an earlier session has, and bounds the space by it.

    Args:
        context: Of the search.
        data: A :class:`TrainingData` in Ray's object store.
        warm_start: Recipes to try after the range test's suggestion, or the recipe's own values.

    Raises:
        InputError: The curve says nothing.
    """
    config = context.config
    others = tuple(recipe.model_dump() for recipe in warm_start)
    recipe = config.recipe.model_dump()
    if RANGE_TEST not in config.space.values():
        return Proposals(config.domains, (recipe, *others))
    bounds = read_bounds(context.folder)
    if bounds is None:
        measured = RangeTest.of(measure_curve(context, data))
        measured.write(context.folder.range_test)
        bounds = measured.bounds
        context.say(
            f"range test: LRMAX between {bounds.low:.3g} and {bounds.high:.3g}, first {bounds.suggestion:.3g}; "
            f"LRMIN first {bounds.min_lr:.3g}"
        )
    return Proposals(config.with_lr_bounds(bounds.low, bounds.high).domains, (recipe | bounds.first, *others))


def measure_curve(context: Context, data: ObjectRef) -> LRCurve:
    """Runs the range test's ramps, one a seed, on training data in the object store."""
    settings = context.config.search
    lrs = ramp("exponential", *settings.lr_range, settings.lr_range_steps)
    seeds = range(settings.seed, settings.seed + settings.lr_range_seeds)
    calls = [(context.config.recipe, data, lrs, seed) for seed in seeds]
    return LRCurve(lrs, np.stack(context.executor.run(_measure_ramp, calls)))


def _measure_ramp(hardware: Hardware, recipe: Recipe, data: TrainingData, lrs: Floats, seed: int) -> Floats:
    return range_test(recipe, data, hardware, lrs, seed)
