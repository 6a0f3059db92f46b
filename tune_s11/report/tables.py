"""Computes the numbers of the report as plain values, for the page and for ``report.json``."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from tune_s11.config import Recipe, RefitChanges
from tune_s11.lr_range.curve import Floats
from tune_s11.results import TrialResult
from tune_s11.results.lr_range import RangeTest
from tune_s11.results.records import Refits
from tune_s11.search_space import Space
from tune_s11.training.schedule import build_schedule

HeldOut = Literal["validation", "test"]
"""Images that a run is not trained on."""

EDGE = 0.1
"""Distance of the winner's ``max_lr`` from a bound, as a share of the bounds' width in log LR, below which a better
rate may lie beyond the bound."""

POINTS_PER_EPOCH = 100
"""Points per epoch of a drawn schedule."""


def ranked(trials: list[TrialResult]) -> list[TrialResult]:
    """Sort trials, the best first: by epochs completed, then by score; diverged and failed trials last."""

    def key(trial: TrialResult) -> tuple[bool, int, float, int]:
        return trial.state in {"diverged", "failed"}, -trial.epoch, -(trial.score or 0.0), trial.number

    return sorted(trials, key=key)


def first_epoch(level: float | None, accuracies: Iterable[tuple[int, float | None]]) -> int | None:
    """Return the first epoch with an accuracy of ``level`` or more.

    Args:
        level: Accuracy to reach; None: there is none.
        accuracies: Epochs, in rising order, each with its accuracy; None if that is unknown.

    Returns:
        The epoch; None if no epoch reaches the level.
    """
    if level is None:
        return None
    return next((epoch for epoch, accuracy in accuracies if accuracy is not None and accuracy >= level), None)


def trial_facts(trial: TrialResult, target: float | None = None) -> dict[str, Any]:
    """Return one trial as a row of a table; with a target, ``target_epoch`` is the first epoch that reaches it."""
    reached = first_epoch(target, ((row.epoch, row.score) for row in trial.rows))
    return {
        "trial": trial.name,
        "state": trial.state,
        "epoch": trial.epoch,
        "score": trial.score,
        "seed": trial.seed,
        "params": trial.params,
        "error": trial.error,
    } | ({} if target is None else {"target_epoch": reached})


def epoch_counts(trials: list[TrialResult]) -> dict[str, int]:
    """Return the epochs that the trials have run, and those that they would have run without pruning."""
    return {
        "run": sum(trial.epoch for trial in trials),
        "without_pruning": sum(trial.recipe.epochs if trial.state == "pruned" else trial.epoch for trial in trials),
    }


class Rated(Protocol):
    """An epoch with a known learning rate."""

    @property
    def epoch(self) -> int:
        """Epochs completed, this one included."""

    @property
    def lr(self) -> float:
        """Learning rate of the epoch's last step."""


def schedule_points(recipe: Recipe, rows: Sequence[Rated]) -> tuple[Floats, Floats]:
    """Return epochs and the learning rate at each, both (points,): as scheduled, or for plateau as reported."""
    if recipe.schedule == "plateau":
        epochs = np.array([[row.epoch - 1, row.epoch] for row in rows], dtype=float)
        return epochs.ravel(), np.repeat([row.lr for row in rows], 2)
    schedule = build_schedule(recipe)
    epochs = np.linspace(0, recipe.epochs, recipe.epochs * POINTS_PER_EPOCH + 1)
    return epochs, np.array([schedule.lr(epoch) for epoch in epochs])


def max_lr_bounds(space: Space, measured: RangeTest | None, momentum: float) -> tuple[float, float] | None:
    """Return the bounds for ``max_lr`` of a trial with this momentum.

    Returns:
        The bounds; None if ``max_lr`` was fixed or chosen from a list, or has no bounds yet.
    """
    domain = space.get("max_lr")
    if isinstance(domain, FloatDistribution):
        return domain.low, domain.high
    if not isinstance(domain, str) or measured is None:
        return None
    scale = measured.bounds.scale(momentum)
    return scale * measured.bounds.low, scale * measured.bounds.high


def trial_domains(
    space: Space, measured: RangeTest | None, trials: Sequence[TrialResult]
) -> dict[str, BaseDistribution]:
    """Return the domains that the trials' parameters were drawn from, widened to include every trial.

    Bounds may have changed during the search. If they are lost with the range test, they are taken from the trials'
    values. A parameter that the range test fixes, as it can ``min_lr_fraction``, has no domain and is left out.
    """
    domains: dict[str, BaseDistribution] = {}
    for name, domain in space.items():
        values = [trial.params[name] for trial in trials if name in trial.params]
        if not values or len(values) < len(trials) or (isinstance(domain, str) and name != "max_lr"):
            continue
        if isinstance(domain, CategoricalDistribution):
            domains[name] = CategoricalDistribution(list(dict.fromkeys([*domain.choices, *values])))
        elif isinstance(domain, FloatDistribution):
            domains[name] = FloatDistribution(min(domain.low, *values), max(domain.high, *values), log=domain.log)
        else:
            ends = (measured.bounds.low, measured.bounds.high) if measured else values
            domains[name] = FloatDistribution(min(*ends, *values), max(*ends, *values), log=True)
    return domains


def wider_bounds(max_lr: float, low: float, high: float) -> tuple[float, float] | None:
    """Return bounds a decade wider on the side where ``max_lr`` is near the edge; None if it is near neither."""
    place = math.log(max_lr / low) / math.log(high / low)
    if place < EDGE:
        return low / 10, high
    return (low, high * 10) if place > 1 - EDGE else None


def refit_facts(refits: Refits, winner: Recipe) -> dict[str, Any]:
    """Return the test accuracy over the refits.

    Args:
        refits: Refits of the winner.
        winner: Recipe of the winning trial.

    Returns:
        ``accuracy`` and ``accuracy_raw`` (mean, sd, n), each of the ``runs``, the fields of the recipe that were
        ``changed`` from the trial's, and whether the validation images were ``held_out``, as schedule plateau needs.
    """
    refit = {name: getattr(refits.recipe, name) for name in RefitChanges.model_fields}
    return {
        "accuracy": refits.test_accuracy.model_dump(),
        "accuracy_raw": refits.test_accuracy_raw.model_dump(),
        "runs": [{key: getattr(run, key) for key in ("seed", "ema", "raw", "diverged")} for run in refits.runs],
        "changed": {name: value for name, value in refit.items() if value != getattr(winner, name)},
        "held_out": refits.recipe.schedule == "plateau",
    }


def optimism(chosen_by: float | None, again: float | None, test: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return by how much the score of the winning trial exceeds later measurements of the same recipe.

    Args:
        chosen_by: Validation accuracy of the winning trial.
        again: Mean validation accuracy of the same recipe on the same images, from the finalists' new seeds; None
            without finalists.
        test: Test accuracy of the refits; see :func:`refit_facts`.

    Returns:
        ``over_again`` and ``over_test``, differences of accuracies. Each is None if there is nothing to compare with;
        a refit with a changed recipe is not comparable. If both would be None, the result is None.
    """
    if chosen_by is None:
        return None
    same = test is not None and not test["changed"]
    differences = {
        "over_again": None if again is None else chosen_by - again,
        "over_test": chosen_by - test["accuracy"]["mean"] if test is not None and same else None,
    }
    return differences if any(value is not None for value in differences.values()) else None


def recipe_facts(recipe: Recipe, space: Space, bounds: tuple[float, float] | None) -> list[dict[str, Any]]:
    """Return each field of the recipe with its value and how it was searched; unsearched ones come last, with None."""
    searched = {name: _describe(domain) for name, domain in space.items()}
    if bounds and isinstance(space.get("max_lr"), str):
        searched["max_lr"] = f"log-uniform, {bounds[0]:.4g} to {bounds[1]:.4g}, by the range test"
    fields = recipe.model_dump().items()
    rows = [{"field": name, "value": value, "searched": searched.get(name)} for name, value in fields]
    return sorted(rows, key=lambda row: row["searched"] is None)


def _describe(domain: BaseDistribution | str) -> str:
    if isinstance(domain, FloatDistribution):
        return f"{'log-' if domain.log else ''}uniform, {domain.low:.4g} to {domain.high:.4g}"
    if isinstance(domain, CategoricalDistribution):
        return f"one of {', '.join(str(choice) for choice in domain.choices)}"
    return "by the range test"
