"""The program as an arm of the race: its own range test, searcher, policy and audit, one trial at a time.

Ray is left out, and with it only time: :class:`tune_s11.search.simulation.SearchWithoutRay` stands in for Tune's
controller, around trials that are really trained.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution

from benchmarks.race.arms import RUNGS
from benchmarks.race.lab import Lab
from benchmarks.race.problems import SPACE, defaults
from benchmarks.ramps.bounds import find_bounds
from tune_s11.config import SearchSettings
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.measuring import ramp, range_test
from tune_s11.search.simulation import SearchWithoutRay
from tune_s11.search_space import SearchConfig


def settings_of(repeat: int) -> SearchSettings:
    """Return the search's settings: the program's own but for the rungs, see :data:`benchmarks.race.arms.RUNGS`.

    The finalists' runs are off. Five finalists from three seeds are 15 complete trials, three quarters of the largest
    budget: nobody with that budget would pay for them.
    """
    grace, factor = RUNGS
    return SearchSettings(grace=grace, factor=factor, finalists=0, seed=repeat)


def measure_bounds(lab: Lab) -> LRBounds:
    """Run the range test as a search does; its steps count as epochs.

    Raises:
        BudgetSpent: It took what was left.
        InputError: Its curve says nothing, for which the program refuses the search.
    """
    settings = settings_of(lab.repeat)
    lrs = ramp("exponential", *settings.lr_range, settings.lr_range_steps)
    seeds = range(settings.seed, settings.seed + settings.lr_range_seeds)
    losses = np.stack([range_test(lab.recipe, lab.inputs.data, lab.hardware, lrs, seed) for seed in seeds])
    steps = np.minimum(np.isfinite(losses).sum(1) + 1, len(lrs)).sum()  # A ramp's last step counts where it diverges.
    lab.spend(float(steps) / (len(lab.inputs.data.train) // lab.recipe.batch_size))
    bounds = find_bounds(LRCurve(lrs, losses))
    lab.suggest_rates(bounds.first)
    return bounds


def search(lab: Lab, defaults_first: bool, wall: tuple[float, float] | None = None) -> None:
    """Search until the budget is spent or the samples are used up.

    In the track without the defaults the first trial has the range test's rates, and the sampler draws the rest: the
    program's own first trial takes all else from the defaults.

    Args:
        lab: What to train with.
        defaults_first: Whether the defaults are tried first, before the range test's rates.
        wall: Bounds of ``max_lr`` in place of the range test's.

    Raises:
        BudgetSpent: The budget is spent.
        InputError: The range test refuses.
    """
    first: list[dict[str, Any]] = [defaults()] if defaults_first else []
    space: dict[str, BaseDistribution] = dict(SPACE)
    config = SearchConfig(lab.recipe, dict(space), settings_of(lab.repeat))
    if wall is None:
        bounds = measure_bounds(lab)
        first.append((defaults() if defaults_first else {}) | bounds.first)
        wall = bounds.low, bounds.high
    config = config.with_lr_bounds(*wall)
    with tempfile.TemporaryDirectory() as folder:
        audit = Path(folder) / "audit.json"
        SearchWithoutRay(lambda trial: lab.start(trial["params"]), config, tuple(first), config.policy, audit).run()
