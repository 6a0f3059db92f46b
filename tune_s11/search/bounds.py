"""The space that is searched once the range test has said where."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution
from ray import ObjectRef

from tune_s11.hardware import Precision
from tune_s11.lr_finder import find_bounds, write_curve
from tune_s11.results import read_bounds
from tune_s11.search.cluster import Workers
from tune_s11.search.tasks import measure_curve
from tune_s11.search_space import RANGE_TEST, SearchConfig


def bounded_space(
    file: Path,
    config: SearchConfig,
    data: ObjectRef,
    workers: Workers,
    precision: Precision,
    say: Callable[[str], None],
) -> tuple[dict[str, BaseDistribution], dict[str, Any]]:
    """The space with bounds in place of ``range_test``, and the recipe's fields to try first.

    Where the space names ``range_test``, the test is run, unless ``file`` has its curve already; then ``file`` gets it.

    Args:
        file: ``lr_range.json`` in the search folder.
        config: The search.
        data: A :class:`TrainingData` in Ray's object store.
        workers: That its ramps share.
        precision: As asked for.
        say: Prints one line for the user.

    Raises:
        InputError: The curve says nothing.
    """
    recipe = config.recipe.model_dump()
    if RANGE_TEST not in config.space.values():
        return config.domains, recipe
    bounds = read_bounds(file)
    if bounds is None:
        curve = measure_curve(config.recipe, data, config.search, workers, precision)
        bounds = find_bounds(curve)
        write_curve(file, curve, bounds)
        say(
            f"range test: LRMAX between {bounds.low:.3g} and {bounds.high:.3g}, first {bounds.suggestion:.3g}; "
            f"LRMIN first {bounds.min_lr:.3g}"
        )
    return config.with_lr_bounds(bounds.low, bounds.high).domains, recipe | bounds.first
