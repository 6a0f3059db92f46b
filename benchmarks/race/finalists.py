"""Replay the gain from running the best trials again: the winner's accuracy by number of finalists.

    uv run python -m benchmarks.race.finalists digits-s11

A search draws some configurations of a recorded pool and trains all of them to completion. Its finalists are the best
by validation among those that were recorded from two fresh seeds (``benchmarks.race.record --again``: the pool's forty
best). They are run again from one of these seeds, and the best of these runs by validation wins. The measure is the
held-out accuracy of the winner's run from the other seed, which decided nothing. Both seeds take both roles.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.race.arms import random_order
from benchmarks.race.difficulty import ORDERS
from benchmarks.race.measures import estimate
from benchmarks.race.pool import POOLS, Floats, Pool, best_file, read_pool
from benchmarks.race.replay import with_interval
from benchmarks.tools.lines import read_lines
from benchmarks.tools.markdown import markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import InputError

DRAWN = (64, 128)
"""Complete trials of a search. With fewer, too few are among the configurations that were recorded again."""

FINALISTS = (1, 2, 3, 5)
"""Trials that are run again; with one, the best trial wins."""

SEEDS = (1, 2)
"""Repeats that were recorded from fresh seeds."""


def read_runs(pool: Pool, name: str, pools: Path = POOLS) -> Floats:
    """Return the runs from fresh seeds as validation and held-out accuracy, (n, seeds, 2); NaN where there is none.

    Raises:
        InputError: Nothing is recorded.
    """
    path = best_file(name, pools)
    lines = read_lines(path)[1:]
    if not lines:
        command = f"uv run python -m benchmarks.race.record {name} --again 40"
        raise InputError(f"{path}: nothing is recorded; {command} does it")
    row_of = {number: row for row, number in enumerate(pool.numbers.tolist())}
    runs = np.full((len(row_of), len(SEEDS), 2), np.nan)
    for line in lines:
        score: dict[str, Any] | None = line["score"]
        found = (0.0, 0.0) if score is None else (score["validation_ema"], score["ema"])
        runs[row_of[line["number"]], line["repeat"] - 1] = found
    return runs


def accuracy(pool: Pool, runs: Floats, drawn: int, finalists: int, order: int) -> float:
    """Return the winner's held-out accuracy in a search, averaged over the seeds' two roles; NaN without any run."""
    rows = random_order(len(pool.numbers), order)[:drawn]
    ranked = rows[np.argsort(-pool.ema[rows, -1], kind="stable")]
    best = ranked[~np.isnan(runs[ranked, 0, 0])][:finalists]
    if not len(best):
        return float("nan")
    decided = [best[0] if finalists == 1 else best[np.argmax(runs[best, seed, 0])] for seed in range(len(SEEDS))]
    return float(np.mean([runs[winner, 1 - seed, 1] for seed, winner in enumerate(decided)]))


def table(pool: Pool, runs: Floats, orders: int) -> list[str]:
    """Return the Markdown lines of a table; differences are paired by order, in percentage points."""
    heads = ["complete trials", "best trial wins", *(f"{count} finalists" for count in FINALISTS[1:])]
    lines = markdown_head(heads)
    for drawn in DRAWN:
        found = [
            np.array([accuracy(pool, runs, drawn, count, order) for order in range(orders)]) for count in FINALISTS
        ]
        known = ~np.isnan(found[0])
        cells = [str(drawn), f"{100 * found[0][known].mean():.1f}"]
        cells += ["+" + with_interval(estimate(100 * (each - found[0])[known]), 2) for each in found[1:]]
        lines.append(markdown_row(cells).replace("+-", "-"))
    return lines


app = new_app("Replay the gain from running the best trials again.")


@app.command()
def main(
    problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="Problem with recorded fresh runs of its best.")],
    orders: Annotated[int, typer.Option("--orders", parser=whole_number(1), metavar="N", help="Replays.")] = ORDERS,
    pools: Annotated[Path, typer.Option("--pools", help="Folder of the pools.")] = POOLS,
) -> None:
    """Print a table."""
    pool = read_pool(problem, pools)
    runs = read_runs(pool, problem, pools)
    print(f"\n### {problem}, {orders} orders, {date.today()}\n")
    print("\n".join(table(pool, runs, orders)))


if __name__ == "__main__":
    run(app, "benchmarks.race.finalists")
