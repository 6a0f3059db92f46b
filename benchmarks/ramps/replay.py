"""Measure how much the range test's bounds help a search: as walls or as a prior, right or wrong, compared with none.

    uv run python -m benchmarks.ramps.replay

Searches are simulated (``benchmarks.pruning.simulator``), one trial at a time, on curves that were recorded far beyond
the bounds (``benchmarks.pruning.record --lr-bounds``). As walls, the bounds are the space. As a prior, TPE's random
trials come from within them and all others from a space three times wider on each side. Both start with the range
test's suggestion. Without the range test, the space is all that was recorded, and nothing is tried first. Two more
searches are compared: the same one with the first trial of the others, and one within a constant wall, whose middle is
tried first and which needs no range test. Epochs are counted until a complete trial reaches the target, including those
of the range test. The last line of the output is JSON.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from optuna.distributions import FloatDistribution
from scipy.stats import bootstrap

from benchmarks.pruning.curves import DIGITS_WIDE, Floats, read_curves
from benchmarks.pruning.simulator import Simulated, Workers, World
from benchmarks.tools.goals import at_least, at_most, judged
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import InputError
from tune_s11.search_space import load_space

SAMPLES = 64
"""Number of trials in a search."""

STARTUP = 10
"""Number of random trials with which Optuna's TPE starts."""

MARGIN = 3.0
"""Factor by which a prior's space is wider on each side."""

SHIFTS = (1.0, 5.0, 0.2)
"""Factors by which the bounds are multiplied."""

WALL = (0.067, 2.0)
"""Constant bounds, which need no range test: those that ramps give wherever they do not diverge."""

TARGET = 0.9
"""Quantile of the final validation accuracies of all recorded configurations that a search must reach."""


@dataclass(frozen=True)
class Searches:
    """Results of the same search from several seeds.

    Attributes:
        epochs: Epochs until a complete trial reached the target, including the range test's, (searches,); all epochs
            if none did.
        reached: Whether a complete trial reached the target, (searches,).
        best: Final accuracies of the winners on held-out images, (searches,).
    """

    epochs: Floats
    reached: "np.typing.NDArray[np.bool_]"
    best: Floats


def epochs_to(search: Simulated, target: float) -> float | None:
    """Return the epochs trained when the first complete trial reaches ``target``; None if none does.

    The search must have run one trial at a time.
    """
    spent = np.cumsum([trial.epoch for trial in search.trials])
    for trial, epochs in zip(search.trials, spent, strict=True):
        if trial.state == "complete" and search.courses[trial.number].chosen_by >= target:
            return float(epochs)
    return None


def range_test_epochs(world: World, images: int) -> float:
    """Return the cost of the range test, in epochs of ``images`` images."""
    settings = world.config.search
    return settings.lr_range_seeds * settings.lr_range_steps * world.config.recipe.batch_size / images


def as_walls(world: World, low: float, high: float, suggestion: float) -> World:
    """Return a search within the bounds, as the program runs it; the space of ``world`` is all that was recorded.

    The first trial has the suggested ``max_lr``, and otherwise the values that ``world`` would try first.
    """
    return _between(world, low, high, [world.first[0] | {"max_lr": suggestion}])


def as_prior(world: World, low: float, high: float, suggestion: float) -> World:
    """Return a search around the bounds whose first trials lie within them, starting with that of :func:`as_walls`."""
    generator = np.random.default_rng((world.config.search.seed, STARTUP))
    drawn = np.exp(generator.uniform(np.log(low), np.log(high), STARTUP - 1))
    within = [{"max_lr": float(max_lr)} for max_lr in drawn]
    return _between(world, low / MARGIN, high * MARGIN, [world.first[0] | {"max_lr": suggestion}, *within])


def _between(world: World, low: float, high: float, first: Sequence[dict[str, Any]]) -> World:
    recorded = world.config.space["max_lr"]
    assert isinstance(recorded, FloatDistribution)
    config = world.config.with_lr_bounds(max(low, recorded.low), min(high, recorded.high))
    return replace(world, config=config, first=tuple(first))


def run_searches(worlds: Sequence[World], target: float, *, before: float) -> Searches:
    """Simulate each world's search, one trial at a time.

    Args:
        worlds: Worlds of the same search from several seeds.
        target: Final validation accuracy to reach.
        before: Epochs that each search has spent before its first trial.
    """
    found = [world.simulate(Workers(1)) for world in worlds]
    until = [epochs_to(search, target) for search in found]
    return Searches(
        np.array([before + (search.spent if end is None else end) for search, end in zip(found, until, strict=True)]),
        np.array([end is not None for end in until]),
        np.array([search.best for search in found]),
    )


def ratio(above: Floats, below: Floats) -> tuple[float, float, float]:
    """Return the mean epochs of some searches over those of others, with a 95% bootstrap interval over paired seeds."""

    def of_means(above: Floats, below: Floats, axis: int | None = None) -> Any:
        return above.mean(axis) / below.mean(axis)

    drawn = bootstrap((above, below), of_means, paired=True, n_resamples=2000, method="percentile", rng=0)
    low, high = drawn.confidence_interval
    return float(of_means(above, below)), float(low), float(high)


def tell(what: str, searches: Searches) -> None:
    """Print one line of the table."""
    low, middle, high = np.percentile(searches.epochs, [25, 50, 75])
    spread = searches.best.std(ddof=1)
    print(
        f"{what:34}{searches.epochs.mean():8.0f}{f'{middle:.0f} ({low:.0f} to {high:.0f})':>20}"
        f"{searches.reached.mean():9.0%}{f'{searches.best.mean():.4f}':>9}{spread:8.4f}",
        flush=True,
    )


def judge(walls: Searches, prior: Searches, misled: Sequence[Searches], free: Searches) -> dict[str, Any]:
    """Return the goals by name.

    Args:
        walls: Searches with right bounds as walls.
        prior: Searches with right bounds as a prior.
        misled: Searches with shifted bounds as a prior.
        free: Searches without bounds.
    """
    return judged(
        {
            "epochs_of_prior_over_walls": at_most(ratio(prior.epochs, walls.epochs)[0], 1.05),
            "reached_when_shifted": at_least(min(float(searches.reached.mean()) for searches in misled), 0.9),
            "epochs_without_bounds_over_walls": at_least(ratio(free.epochs, walls.epochs)[0], 1.5),
        }
    )


app = new_app("Replay searches with right bounds, shifted bounds and none.")


@app.command()
def main(
    curves: Annotated[Path, typer.Option("--curves", help="Recording of benchmarks.pruning.record.")] = DIGITS_WIDE,
    replays: Annotated[int, typer.Option("--replays", parser=whole_number(2), metavar="N", help="Seeds.")] = 40,
) -> None:
    """Print how long each use of the bounds takes to reach the target, and what it finds."""
    recorded = read_curves(curves)
    if "drawn" not in recorded.header["of"]:
        raise InputError(f"{curves}: recorded within the bounds; expected a recording with --lr-bounds")
    low, high = recorded.header["of"]["drawn"]
    bounds = recorded.header["bounds"]
    config = load_space("quick").with_overrides({"search.samples": str(SAMPLES), "search.lr_range_seeds": "3"})
    everywhere = World.recorded(recorded, config, between=(low, high))
    seeded = [everywhere.with_search(seed=seed) for seed in range(replays)]
    target = float(np.quantile(recorded.chosen_by, TARGET))
    before = range_test_epochs(everywhere, recorded.header["of"]["images"]["train"])

    n, gone = len(recorded.score), int(recorded.diverged.sum())
    print(f"{curves}: n = {n} configurations, {gone} diverged, max_lr from {low:g} to {high:g}.")
    print("Range test: {low:.3g} to {high:.3g}, {suggestion:.3g} first; ".format(**bounds) + f"{before:.0f} epochs.")
    print(f"{replays} searches each of {SAMPLES} trials; target {target:.4f}, which {1 - TARGET:.0%} of all reach.\n")
    print(f"{'':34}{'epochs':>8}{'median (quartiles)':>20}{'reached':>9}{'best':>9}{'SD':>8}")
    free = run_searches([replace(world, first=()) for world in seeded], target, before=0)
    tell("no bounds", free)
    alike = run_searches(seeded, target, before=before)
    tell("no bounds, first trial alike", alike)
    middle = float(np.sqrt(WALL[0] * WALL[1]))
    constant = run_searches([as_walls(world, *WALL, middle) for world in seeded], target, before=0)
    tell("a constant wall, no range test", constant)
    by_use: dict[str, list[Searches]] = {"walls": [], "prior": []}
    for shift in SHIFTS:
        ends = [bounds[name] * shift for name in ("low", "high", "suggestion")]
        for use, build in (("walls", as_walls), ("prior", as_prior)):
            searches = run_searches([build(world, *ends) for world in seeded], target, before=before)
            by_use[use].append(searches)
            tell(f"as {use}" + ("" if shift == 1 else f", shifted to {shift:g} times"), searches)
    walls, (prior, *misled) = by_use["walls"][0], by_use["prior"]
    print()
    for what, above in (
        ("prior over walls", prior),
        ("no bounds over walls", free),
        ("no bounds, first trial alike, over walls", alike),
        ("a constant wall over walls", constant),
    ):
        print("Epochs, {}: {:.2f} (95% interval {:.2f} to {:.2f})".format(what, *ratio(above.epochs, walls.epochs)))
    print(json.dumps(judge(walls, prior, misled, free) | {"n": n}))


if __name__ == "__main__":
    run(app, "benchmarks.ramps.replay")
