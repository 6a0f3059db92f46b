"""Simulate the search on recorded curves: on 8 to 256 workers, with stragglers, and with other orders of trials.

    uv run python -m benchmarks.pruning.simulate   # the last line is JSON

Proposals and pruning are the program's own; trials are drawn from recorded ones (``benchmarks.pruning.record``,
``benchmarks.pruning.surrogate``). Nothing is trained.
"""

import json
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy.stats import sem

from benchmarks.pruning.curves import CIFAR10_W16, Curves, read_curves
from benchmarks.pruning.simulator import Simulated, Workers, World
from benchmarks.tools.goals import at_most, judged
from tune_s11.cli.app import new_app, run
from tune_s11.search_space import load_space

SEARCHES = 5
"""Number of searches, from seed 0 on, over which each line of a table is averaged."""

SAMPLES = 512
"""Number of trials in a search on many workers."""

WORKERS = (8, 16, 32, 64, 128, 256)
STRAGGLERS = (Workers(64, 16, 2), Workers(64, 8, 4), Workers(64, 8, 16))
LARGEST = (1000, 256)
"""Trials and workers of the search whose simulation is timed."""

SHUFFLES = 20
"""Number of random orders of the recorded configurations."""


def searches(world: World, workers: Workers, seeds: Iterable[int]) -> list[Simulated]:
    """Simulate the same search from several seeds."""
    return [world.with_search(seed=seed).simulate(workers) for seed in seeds]


def tell_searches(what: str, pruned: list[Simulated], unpruned: list[Simulated] | None = None) -> None:
    """Print one line: means over the searches, with standard errors of what was found and lost."""
    best, lost = [search.best for search in pruned], [search.lost for search in pruned]
    against = [100 * (free.best - search.best) for search, free in zip(pruned, unpruned or [], strict=False)]
    print(
        f"{what:34}{np.mean([search.spent for search in pruned]):9.0f}"
        f"{np.mean([search.saving for search in pruned]):7.2f}x{np.mean([search.time for search in pruned]):8.0f}"
        f"{_mean(best, 4):>18}{_mean(lost, 2):>18}{_mean(against, 2):>18}",
        flush=True,
    )


def _mean(values: list[float], digits: int) -> str:
    if len(values) < 2:
        return f"{values[0]:.{digits}f}" if values else "."
    return f"{np.mean(values):.{digits}f} ± {sem(values):.{digits}f}"


def tell_heading(what: str) -> None:
    """Print the heading over the lines of :func:`tell_searches`."""
    print(
        f"\n{what}\n{'':34}{'epochs':>9}{'saved':>8}{'time':>8}{'best':>18}{'points lost':>18}{'against unpruned':>18}"
    )


def tell_workers(world: World) -> None:
    """Print the effect of more workers, and of slow ones."""
    tell_heading(f"{SAMPLES} trials, mean of {SEARCHES} searches ± standard error; time in epochs of one worker")
    big, free = world.with_search(samples=SAMPLES), world.with_search(samples=SAMPLES, scheduler="none")
    for count in WORKERS:
        both = [searches(each, Workers(count), range(SEARCHES)) for each in (big, free)]
        tell_searches(f"{count} workers", *both)
    tell_heading(f"{SAMPLES} trials on 64 workers, some of them slow")
    for workers in STRAGGLERS:
        tell_searches(
            f"{workers.stragglers} take {workers.slowness:g} times as long", searches(big, workers, range(SEARCHES))
        )


def tell_arrival(world: World, curves: Curves) -> None:
    """Print the effect of the order in which the recorded configurations arrive."""
    n = len(curves.score)
    best_first = np.argsort(-curves.chosen_by, kind="stable")
    shuffles = [np.random.default_rng(seed).permutation(n) for seed in range(SHUFFLES)]
    table = world.with_search(samples=n)
    tell_heading(f"The {n} recorded configurations, each once, with the curve it has; {SHUFFLES} shuffles")
    for count in (8, 64):
        for what, orders in (("best first", [best_first]), ("worst first", [best_first[::-1]]), ("shuffled", shuffles)):
            ordered = [replace(table, first=tuple(curves.configs[trial] for trial in order)) for order in orders]
            tell_searches(f"{count} workers, {what}", [each.simulate(Workers(count)) for each in ordered])


def time_the_largest(world: World) -> float:
    """Print and return the processor seconds that the largest simulation takes."""
    (samples, count), begun, clock = LARGEST, time.perf_counter(), time.process_time()
    world.with_search(samples=samples).simulate(Workers(count))
    seconds, wall = time.process_time() - clock, time.perf_counter() - begun
    print(f"\n{samples} trials on {count} workers, {world.config.search.sampler}: simulated in {seconds:.1f} s", end="")
    print(f" of processor time, {wall:.1f} s on the clock")
    return seconds


app = new_app("Simulate searches on recorded learning curves.")


@app.command()
def main(
    curves: Annotated[Path, typer.Option("--curves", help="Recording of benchmarks.pruning.record.")] = CIFAR10_W16,
) -> None:
    """Print the effects of workers, stragglers and arrival."""
    recorded = read_curves(curves)
    n = len(recorded.score)
    world = World.recorded(recorded, load_space("s11"))
    explained, noise = world.surrogate.explained, 100 * world.surrogate.noise
    print(f"{curves}: n = {n} configurations, {int(recorded.diverged.sum())} diverged.")
    print(
        f"The others tell {explained:.0%} of a final accuracy's variance; the noise on top has SD {noise:.1f} points."
    )
    tell_workers(world)
    tell_arrival(world, recorded)
    seconds = time_the_largest(world)
    goals = {"seconds_of_the_largest": at_most(seconds, 30, digits=1)}
    print(json.dumps(judged(goals) | {"n": n}))


if __name__ == "__main__":
    run(app, "benchmarks.pruning.simulate")
