"""Step 1 of a search: the LR range test, its ramps side by side on the workers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, FloatDistribution
from ray import ObjectRef

from tune_s11.config import Recipe
from tune_s11.hardware import Hardware
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.lr_range.curve import Floats, LRCurve
from tune_s11.lr_range.measuring import ramp, range_test
from tune_s11.results.range_test import RangeTest
from tune_s11.results.search import read_bounds
from tune_s11.search.context import Context
from tune_s11.search_space import RANGE_TEST, SearchConfig
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
        context.display.begin("range test")
        measured = RangeTest.of(measure_curve(context, data))
        measured.write(context.folder.range_test)
        bounds = measured.bounds
        fixed = config.space.get("min_lr_fraction") == RANGE_TEST
        context.say(
            f"range test: LRMAX between {bounds.low:.3g} and {bounds.high:.3g}, first {bounds.suggestion:.3g}; "
            f"LRMIN {'' if fixed else 'first '}{bounds.min_lr:.3g}"
        )
    return Proposals(_bounded(config, bounds), (recipe | bounds.first, *others))


def _bounded(config: SearchConfig, bounds: LRBounds) -> dict[str, BaseDistribution]:
    """The space with what the range test has found.

    ``min_lr_fraction`` has a single value: LRMIN over the LRMAX that is suggested, or over the recipe's where the space
    does not search that.
    """
    max_lr = bounds.suggestion if "max_lr" in config.space else config.recipe.max_lr
    fraction = min(1.0, bounds.min_lr / max_lr)
    found: dict[str, BaseDistribution] = {
        "max_lr": FloatDistribution(bounds.low, bounds.high, log=True),
        "min_lr_fraction": FloatDistribution(fraction, fraction),
    }
    return {name: found[name] if isinstance(domain, str) else domain for name, domain in config.space.items()}


def measure_curve(context: Context, data: ObjectRef) -> LRCurve:
    """Runs the range test's ramps, one a seed, on training data in the object store."""
    settings = context.config.search
    lrs = ramp("exponential", *settings.lr_range, settings.lr_range_steps)
    seeds = range(settings.seed, settings.seed + settings.lr_range_seeds)
    calls = [(context.config.recipe, data, lrs, seed) for seed in seeds]
    return LRCurve(lrs, np.stack(context.executor.run(_measure_ramp, calls)))


def _measure_ramp(hardware: Hardware, recipe: Recipe, data: TrainingData, lrs: Floats, seed: int) -> Floats:
    return range_test(recipe, data, hardware, lrs, seed)
