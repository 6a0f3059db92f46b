"""Replay whether running the best trials again is worth its epochs: the winner's accuracy by finalists and seeds.

    uv run python -m benchmarks.race.finalists digits-s11

All searches may spend the same number of epochs. They draw configurations of a recorded pool within the bounds of a
recorded range test, under the program's rungs, until what is left pays for the finalists' runs. The test's epochs and
the trial at its rate are left out. The finalists are the best complete trials by validation. Each is run again from
fresh seeds, the same for all, and the best mean by validation wins. The measure is the held-out accuracy of the
winner's run from another fresh seed, which decided nothing; each recorded seed takes that role once. Orders in which a
finalist has no such runs (``benchmarks.race.record --again 100 --runs 4``) are left out for all. A cell is left out if
half of the orders complete fewer trials than it has finalists: their runs would be charged, but not used.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.race.arms import RUNGS
from benchmarks.race.candidates import Candidates, join, replay
from benchmarks.race.difficulty import ORDERS
from benchmarks.race.measures import TRIALS, estimate
from benchmarks.race.pool import POOLS, Floats, Ints, Pool, best_file, read_defaults, read_pool
from benchmarks.race.problems import find_problem
from benchmarks.race.replay import AsideOption, with_interval
from benchmarks.race.starts import PROGRAM, read_tests
from benchmarks.tools.lines import read_lines
from benchmarks.tools.markdown import markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import InputError
from tune_s11.pruning import SuccessiveHalving

BUDGETS = (TRIALS // 2, TRIALS, 2 * TRIALS)
"""Epochs to spend, in complete trials."""

RUNS = 4
"""Runs of each configuration from fresh seeds."""

NONE = (1, 0)
CHOICES = (NONE, (2, 1), (3, 1), (5, 1), (2, 3), (3, 3), (5, 3))
"""Finalists, and runs of each, at most ``RUNS`` - 1; with :data:`NONE` the best trial wins, and nothing is run."""


def read_runs(pool: Pool, name: str, pools: Path = POOLS) -> Floats:
    """Return the runs from fresh seeds as validation and held-out accuracy, (n, RUNS, 2); NaN where there is none.

    Raises:
        InputError: No configuration has all of them.
    """
    path = best_file(name, pools)
    row_of = {number: row for row, number in enumerate(pool.numbers.tolist())}
    runs = np.full((len(row_of), RUNS, 2), np.nan)
    for line in read_lines(path)[1:]:
        score: dict[str, Any] | None = line["score"]
        found = (0.0, 0.0) if score is None else (score["validation_ema"], score["ema"])
        runs[row_of[line["number"]], line["repeat"] - 1] = found
    if np.isnan(runs).any(axis=(1, 2)).all():
        command = f"uv run python -m benchmarks.race.record {name} --again 100 --runs {RUNS}"
        raise InputError(f"{path}: no configuration has {RUNS} runs yet; {command} records them")
    return runs


def complete_trials(candidates: Candidates, drawn: Sequence[int], budget: int) -> Ints:
    """Return the rows of the trials that a search completes within a budget of epochs, best by validation first."""
    signal = candidates.signals["ema"]
    history = replay(candidates, signal, drawn, SuccessiveHalving(*RUNGS, candidates.epochs).start(), budget)
    last: Ints = history.rows[history.epochs == candidates.epochs]
    ended = last[~candidates.diverged[last]]
    best_first: Ints = ended[np.argsort(-signal[ended, -1], kind="stable")]
    return best_first


def for_trials(candidates: Candidates, budget: int, choice: tuple[int, int]) -> int:
    """Return the epochs of a budget that are left for the trials; negative if it does not pay for the finalists."""
    finalists, seeds = choice
    return budget - finalists * seeds * candidates.epochs


def has_finalists(candidates: Candidates, drawn: list[list[int]], budget: int, choice: tuple[int, int]) -> bool:
    """Return whether more than half of the orders complete as many trials as there are to be finalists."""
    left = for_trials(candidates, budget, choice)
    return left > 0 and np.median([len(complete_trials(candidates, rows, left)) for rows in drawn]) >= choice[0]


def accuracy(candidates: Candidates, runs: Floats, drawn: Sequence[int], budget: int, choice: tuple[int, int]) -> float:
    """Return the winner's held-out accuracy in one search, averaged over the seeds that measure it.

    Args:
        candidates: Candidates of the pool.
        runs: Runs from fresh seeds; see :func:`read_runs`.
        drawn: Rows in the order in which they are tried.
        budget: Epochs to spend, the finalists' runs included.
        choice: Number of finalists, and of runs of each.

    Returns:
        The accuracy; NaN if no trial is complete, or a finalist has no runs from fresh seeds.
    """
    finalists, seeds = choice
    best = complete_trials(candidates, drawn, for_trials(candidates, budget, choice))[:finalists]
    if not len(best) or np.isnan(runs[best]).any():
        return float("nan")
    found = []
    for measuring in range(RUNS):
        deciding = [(measuring + 1 + seed) % RUNS for seed in range(seeds)]
        winner = best[np.argmax(runs[best][:, deciding, 0].mean(axis=1))] if deciding else best[0]
        found.append(runs[winner, measuring, 1])
    return float(np.mean(found))


def table(candidates: Candidates, runs: Floats, tests: list[dict[str, Any]], orders: int) -> list[str]:
    """Return the Markdown lines of a table; differences are paired by order, in percentage points.

    Args:
        candidates: Candidates of the pool.
        runs: Runs from fresh seeds; see :func:`read_runs`.
        tests: Recorded range tests; searches take turns with them.
        orders: Number of random orders.
    """
    names = [f"{finalists} x {seeds}" for finalists, seeds in CHOICES[1:]]
    lines = markdown_head(["epochs, in complete trials", "n", "best trial wins", *names])
    drawn = [PROGRAM.drawn(candidates, tests[order % len(tests)]["cycles"], order) for order in range(orders)]
    for budget in BUDGETS:
        epochs = budget * candidates.epochs
        real = [choice for choice in CHOICES if has_finalists(candidates, drawn, epochs, choice)]
        found = np.array([[accuracy(candidates, runs, rows, epochs, choice) for rows in drawn] for choice in real])
        found = 100 * found[:, ~np.isnan(found).any(axis=0)]
        by_choice = dict(zip(real, found, strict=True))
        cells = [str(budget), str(found.shape[1]), f"{by_choice[NONE].mean():.1f}"]
        for choice in CHOICES[1:]:
            gained = by_choice[choice] - by_choice[NONE] if choice in by_choice else None
            cells.append("." if gained is None else "+" + with_interval(estimate(gained), 2))
        lines.append(markdown_row(cells).replace("+-", "-"))
    return lines


app = new_app("Replay whether running the best trials again is worth its epochs.")


@app.command()
def main(
    problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="Problem whose best are recorded again.")],
    orders: Annotated[int, typer.Option("--orders", parser=whole_number(1), metavar="N", help="Replays.")] = ORDERS,
    pools: Annotated[Path, typer.Option("--pools", help="Folder of the pools.")] = POOLS,
    aside: AsideOption = False,
) -> None:
    """Print a table."""
    find_problem(problem, aside, "replays it")
    pool = read_pool(problem, pools)
    runs = read_runs(pool, problem, pools)
    candidates = join(pool, read_defaults(pool, problem, pools))
    tests = read_tests(problem, pools)
    print(f"\n### {problem}, {orders} orders, {date.today()}\n")
    print("\n".join(table(candidates, runs, tests, orders)))


if __name__ == "__main__":
    run(app, "benchmarks.race.finalists")
