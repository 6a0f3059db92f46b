"""Step 1 of a search: runs the LR range test with short cycles, and with ramps if it must also find ``min_lr``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import ray
from optuna.distributions import BaseDistribution, FloatDistribution
from ray import ObjectRef

from tune_s11.config import Recipe
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.lr_range.curve import Floats, LRCurve
from tune_s11.lr_range.cycles import Cycle, Outcome
from tune_s11.lr_range.measuring import ramp, range_test, train_cycle
from tune_s11.lr_range.rule import ask, expected_epochs, given, recommend, typical_rounds
from tune_s11.results.lr_range import RangeTest, read_cycles, write_cycles
from tune_s11.results.search import read_bounds
from tune_s11.search.context import Context
from tune_s11.search.study import Proposals
from tune_s11.search.workers.parts import Worker
from tune_s11.search_space import RANGE_TEST, SearchConfig
from tune_s11.training.trainer import TrainingData

FAILED = Outcome(None, None, 0)
"""Outcome that is passed to the rule for a cycle that has failed for good; the rule treats it as diverged."""


def find_proposals(context: Context, data: ObjectRef, warm_start: tuple[Recipe, ...] = ()) -> Proposals:
    """Run the range test if the space asks for it and no earlier session has run it, and apply its bounds to the space.

    Args:
        context: Context of the search.
        data: Reference to a :class:`TrainingData` in Ray's object store.
        warm_start: Recipes to try after the range test's suggestion, or the recipe's own values.

    Raises:
        InputError: The range of rates has no room for a test.
    """
    config = context.config
    others = tuple(recipe.model_dump() for recipe in warm_start)
    recipe = config.recipe.model_dump()
    if RANGE_TEST not in config.space.values():
        return Proposals(config.domains, (recipe, *others))
    bounds = read_bounds(context.folder)
    if bounds is None:
        context.display.begin("range test")
        measured = measure(context, data)
        measured.write(context.folder.range_test)
        context.folder.range_test_cycles.unlink(missing_ok=True)
        bounds = measured.bounds
        context.say(_in_words(bounds, config))
    return Proposals(_bounded(config, bounds), (recipe | bounds.first, *others), bounds)


def _in_words(bounds: LRBounds, config: SearchConfig) -> str:
    unsure = "inconclusive, no cycle was both long enough and clearly better than guessing; " if bounds.unsure else ""
    found = []
    if config.space.get("max_lr") == RANGE_TEST:
        at = f"at momentum {bounds.momentum:g} " if bounds.momentum is not None else ""
        between = f"{at}max_lr between {bounds.low:.3g} and {bounds.high:.3g} ({bounds.decades:.1f} decades)"
        found.append(f"{between}, first {bounds.suggestion:.3g}")
    if config.space.get("min_lr_fraction") == RANGE_TEST:
        found.append(f"min_lr {bounds.min_lr:.3g}")
    return f"range test: {unsure}{'; '.join(found)}"


def _bounded(config: SearchConfig, bounds: LRBounds) -> dict[str, BaseDistribution]:
    """Return the space with the results of the range test filled in.

    ``min_lr_fraction`` has a single value: ``min_lr`` over the suggested ``max_lr``, or over the recipe's ``max_lr`` if
    the space does not include it.
    """
    max_lr = bounds.suggestion if "max_lr" in config.space else config.recipe.max_lr
    fraction = min(1.0, bounds.min_lr / max_lr)
    found: dict[str, BaseDistribution] = {
        "max_lr": FloatDistribution(bounds.low, bounds.high, log=True),
        "min_lr_fraction": FloatDistribution(fraction, fraction),
    }
    return {name: found[name] if isinstance(domain, str) else domain for name, domain in config.space.items()}


def measure(context: Context, data: ObjectRef) -> RangeTest:
    """Run the range test: ramps if it must find ``min_lr``, and cycles by its rule if it must find ``max_lr``.

    Cycles that an interrupted session has trained are not trained again.
    """
    recipe, space = context.config.recipe, context.config.space
    curve = measure_curve(context, data) if space.get("min_lr_fraction") == RANGE_TEST else None
    if space.get("max_lr") != RANGE_TEST:
        return RangeTest.of(curve, {}, given(recipe.max_lr), recipe.min_lr_fraction)
    file, settings = context.folder.range_test_cycles, context.config.search
    trained = read_cycles(file)
    question = ask(recipe, settings, ray.get(data).validation.labels)
    expected = expected_epochs(question)

    def train(cycles: Sequence[Cycle]) -> Mapping[Cycle, Outcome]:
        missing = [cycle for cycle in cycles if cycle not in trained]

        def keep(call: int, outcome: Outcome) -> None:
            trained[missing[call]] = outcome
            write_cycles(file, trained)
            done = sum(cycle.epochs for cycle in trained)
            context.display.advance(done / expected, f"range test: {len(trained)} cycles, {done} epochs")

        calls = [(recipe, data, cycle) for cycle in missing]
        names = [f"range test: cycle at max_lr {cycle.max_lr:g}, {cycle.epochs} epochs," for cycle in missing]
        results = context.executor.run(
            _train_cycle, calls, on_result=keep, on_failure=lambda call, why: context.say_repeated(names[call], why)
        )
        context.succeeded(names, results, needed=not trained)
        # The rule must avoid rates whose cycles fail. Failures are not recorded, so a resumed test retries them.
        return {cycle: trained.get(cycle, FAILED) for cycle in cycles}

    measured = RangeTest.of(curve, trained, recommend(question, train), recipe.min_lr_fraction)
    if "momentum" not in space or recipe.optimizer != "sgd":  # AdamW's steps do not grow with its first beta
        return measured
    return replace(measured, bounds=replace(measured.bounds, momentum=recipe.momentum))


def expected_cycles(config: SearchConfig) -> tuple[tuple[int, ...], ...]:
    """Return, by round, the epochs of each cycle that a range test trains unless it meets something unusual.

    Raises:
        InputError: The range of rates has no room for a test.
    """
    if config.space.get("max_lr") != RANGE_TEST:
        return ()
    evenly = np.arange(10)  # The cycles do not depend on the classes, so no images need be loaded.
    rounds = typical_rounds(ask(config.recipe, config.search, evenly))
    return tuple(tuple(cycle.epochs for cycle in cycles) for cycles in rounds)


def measure_curve(context: Context, data: ObjectRef) -> LRCurve:
    """Run the range test's ramps, one per seed, on training data in the object store."""
    settings = context.config.search
    lrs = ramp("exponential", *settings.lr_range, settings.lr_range_steps)
    seeds = range(settings.seed, settings.seed + settings.lr_range_seeds)
    calls = [(context.config.recipe, data, lrs, seed) for seed in seeds]
    names = [f"range test: ramp from seed {seed}" for seed in seeds]
    results = context.executor.run(
        _measure_ramp, calls, on_failure=lambda call, why: context.say_repeated(names[call], why)
    )
    return LRCurve(lrs, np.stack([losses for losses in context.succeeded(names, results) if losses is not None]))


def _measure_ramp(worker: Worker, recipe: Recipe, data: TrainingData, lrs: Floats, seed: int) -> Floats:
    return range_test(recipe, data, worker.hardware, lrs, seed, on_step=worker.alive)


def _train_cycle(worker: Worker, recipe: Recipe, data: TrainingData, cycle: Cycle) -> Outcome:
    return train_cycle(recipe, data, worker.hardware, cycle, on_epoch=worker.alive)
