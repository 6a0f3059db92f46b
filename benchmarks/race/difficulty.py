"""Measure how hard the problems are: how many complete trials random search within fixed bounds needs.

    uv run python -m benchmarks.race.difficulty

Configurations of the pool with ``max_lr`` between 0.067 and 2 are replayed in 200 random orders. After each trial the
best one by validation accuracy would be shipped. Trials are counted until its held-out accuracy is within one
percentage point of the best known. A problem is hard enough if the median is six or more; below that, nothing can beat
such bounds.
"""

import json
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from benchmarks.race.pool import CONFIGURATIONS, POOLS, Bools, Floats, Pool, pool_file, read_pool
from benchmarks.race.problems import FIXED_BOUNDS, PROBLEMS
from tune_s11.cli.app import new_app, run

ORDERS = 200
MARGIN = 0.01
"""Difference in accuracy within which a configuration counts as close to the best known."""
HARD_TRIALS = 6.0
HARD_PROBLEMS = 3
"""Number of problems that must need a median of at least :data:`HARD_TRIALS` complete trials."""


class Needed(NamedTuple):
    """Cost of each replay until what it would ship was close to the best known; infinite where it never was."""

    trials: Floats
    """Complete trials, (orders,): epochs trained over the epochs of a complete trial, so a diverged one counts in
    part."""
    drawn: Floats
    """Configurations drawn, (orders,), including diverged ones."""


def within_fixed_bounds(pool: Pool) -> Bools:
    """Return which configurations lie within the fixed bounds, (n,)."""
    low, high = FIXED_BOUNDS
    return np.array([low <= config["max_lr"] <= high for config in pool.configs])


def replay(pool: Pool, orders: int = ORDERS, seed: int = 0) -> Needed:
    """Replay random search within fixed bounds.

    Args:
        pool: Pool to draw from, each configuration once.
        orders: Number of replays.
        seed: Seed of the random orders.
    """
    generator = np.random.default_rng(seed)
    inside = np.flatnonzero(within_fixed_bounds(pool))
    chosen_by = np.where(pool.diverged, -1.0, pool.ema[:, -1])
    close = pool.quality >= pool.best_known - MARGIN - 1e-9  # four recorded digits: the boundary counts
    needed = Needed(np.full(orders, np.inf), np.full(orders, np.inf))
    for order in range(orders):
        drawn = generator.permutation(inside)
        leader, epochs = -1, 0
        for position, row in enumerate(drawn, start=1):
            epochs += int(pool.epochs_run[row])
            if leader < 0 or chosen_by[row] > chosen_by[leader]:
                leader = int(row)
            if close[leader] and chosen_by[leader] >= 0:
                needed.trials[order], needed.drawn[order] = epochs / pool.epochs, position
                break
    return needed


app = new_app("Print how many trials random search within fixed bounds needs on each recorded problem.")


@app.command()
def main(pools: Annotated[Path, typer.Option("--pools", help="Folder of the pools.")] = POOLS) -> None:
    """Print a line for each recorded problem, and whether enough of those with a complete pool are hard."""
    print(f"{'problem':20}{'recorded':>9}{'inside':>8}{'close':>7}{'best known':>12}  trials needed (quartiles), drawn")
    counted = []
    for name, problem in PROBLEMS.items():
        if not pool_file(name, pools).exists():
            continue
        pool = read_pool(name, pools)
        needed = replay(pool)
        first, median, third = np.quantile(needed.trials, [0.25, 0.5, 0.75], method="higher").tolist()
        inside = within_fixed_bounds(pool)
        close = int((pool.quality[inside] >= pool.best_known - MARGIN - 1e-9).sum())
        source = "one run" if np.isnan(pool.fresh).all() else "fresh"
        print(
            f"{name:20}{len(pool.numbers):9}{inside.sum():8}{close:7}{pool.best_known:12.4f}  {median:.1f} "
            f"({first:.1f} to {third:.1f}), {np.quantile(needed.drawn, 0.5, method='higher'):.0f}; {source}"
        )
        if len(pool.numbers) >= CONFIGURATIONS and not problem.aside:
            counted.append(median)
    hard = sum(median >= HARD_TRIALS for median in counted)
    met = hard >= HARD_PROBLEMS
    print(json.dumps({"met": met, "goals": {"hard_problems": {"value": hard, "goal": HARD_PROBLEMS, "met": met}}}))


if __name__ == "__main__":
    run(app, "benchmarks.race.difficulty")
