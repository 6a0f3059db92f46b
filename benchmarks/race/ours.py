"""The program as it was when the race began, as an arm: its range test by ramps, searcher, policy and audit.

One trial runs at a time. Ray is left out, which saves time and changes nothing else:
:class:`tune_s11.search.simulation.SearchWithoutRay` stands in for Tune's controller, and the trials are really trained.
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
from tune_s11.search.study import Proposals
from tune_s11.search_space import SearchConfig


def settings_of(repeat: int) -> SearchSettings:
    """Return the program's own search settings with the rungs of :data:`benchmarks.race.arms.RUNGS` and no finalists.

    The finalists' runs are off. Five finalists from three seeds are 15 complete trials, three quarters of the largest
    budget, and nobody with that budget would pay for them. The audit is on, as it was by default when the race began.
    """
    grace, factor = RUNGS
    return SearchSettings(grace=grace, factor=factor, audit=0.05, finalists=0, seed=repeat)


def measure_bounds(lab: Lab) -> LRBounds:
    """Run the range test, and count its steps as epochs.

    Raises:
        BudgetSpent: The budget is spent.
        InputError: The curve is uninformative, so the program refuses to search.
    """
    settings = settings_of(lab.repeat)
    lrs = ramp("exponential", *settings.lr_range, settings.lr_range_steps)
    seeds = range(settings.seed, settings.seed + settings.lr_range_seeds)
    losses = np.stack([range_test(lab.recipe, lab.inputs.data, lab.hardware, lrs, seed) for seed in seeds])
    steps = np.minimum(np.isfinite(losses).sum(1) + 1, len(lrs)).sum()  # The step in which a ramp diverges counts.
    lab.spend(float(steps) / (len(lab.inputs.data.train) // lab.recipe.batch_size))
    bounds = find_bounds(LRCurve(lrs, losses))
    lab.suggest_rates(bounds.first)
    return bounds


def search(lab: Lab, defaults_first: bool, lr_bounds: tuple[float, float] | None = None) -> None:
    """Search until the budget is spent or the samples are used up.

    In the track without the defaults, the first trial has the range test's rates, and the sampler draws its other
    values. The program's own first trial takes those from the defaults.

    Args:
        lab: Lab to train in.
        defaults_first: Whether the defaults are tried first, before the range test's rates.
        lr_bounds: Bounds of ``max_lr`` in place of those of the range test; None: run the range test.

    Raises:
        BudgetSpent: The budget is spent.
        InputError: The range test's curve is uninformative.
    """
    first: list[dict[str, Any]] = [defaults()] if defaults_first else []
    space: dict[str, BaseDistribution] = dict(SPACE)
    config = SearchConfig(lab.recipe, dict(space), settings_of(lab.repeat))
    if lr_bounds is None:
        bounds = measure_bounds(lab)
        first.append((defaults() if defaults_first else {}) | bounds.first)
        lr_bounds = bounds.low, bounds.high
    config = config.with_lr_bounds(*lr_bounds)
    proposals = Proposals(config.domains, tuple(first))
    with tempfile.TemporaryDirectory() as folder:
        audit = Path(folder) / "audit.json"
        SearchWithoutRay(lambda trial: lab.start(trial["params"]), config, proposals, config.policy, audit).run()
