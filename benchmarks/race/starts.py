"""Compare ways to begin a search on a recorded pool: range tests, bounds, first trials, with the program's rungs.

    uv run python -m benchmarks.race.starts digits-s11

Each order of the pool is paired with one recorded range test (``benchmarks.race.record_range_tests``). The test's
epochs count, and the trial at its rate comes first. As all orders share a few tests, intervals of starts with a test
are over the tests' means; the others are over orders.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.race.arms import RUNGS, random_order
from benchmarks.race.candidates import FALLBACK, Candidates, History, join, replay
from benchmarks.race.difficulty import ORDERS
from benchmarks.race.measures import budget_of, estimate, measure, ship
from benchmarks.race.pool import POOLS, Floats, Ints, range_tests_file, read_defaults, read_pool
from benchmarks.race.problems import FIXED_BOUNDS, defaults, find_problem
from benchmarks.race.replay import AsideOption, figure_cells, figure_heads, with_interval
from benchmarks.tools.lines import read_lines
from benchmarks.tools.markdown import markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import InputError
from tune_s11.pruning import SuccessiveHalving

Test = Mapping[str, Any]
"""A recorded range test; see :func:`benchmarks.race.record_range_tests.record`."""


@dataclass(frozen=True)
class Start:
    """A way to begin a search."""

    name: str
    test: str | None = None
    """Recorded test that is run first, and whose rate the first trial has; None: no test."""
    bounds: tuple[float, float] | None = None
    """Bounds of ``max_lr`` in place of the test's; None: the test's, or without a test the whole space."""
    second: str | None = None
    """Recorded test whose rate the second trial has; None: the second trial is drawn. Its epochs do not count."""
    power: float = 0.0
    """Power of (1 - momentum), relative to that of the defaults, by which the bounds are multiplied."""
    defaults_first: bool = False
    """Whether the first trial has the recipe's defaults."""

    def drawn(self, candidates: Candidates, test: Test | None, order: int) -> list[int]:
        """Return the rows of a random order that the search draws after this test."""
        rows = random_order(candidates.n, order).tolist()
        return [row for row in rows if self.accepts(candidates.configs[row], test)]

    def accepts(self, config: Mapping[str, float], test: Test | None) -> bool:
        """Return whether the search draws this configuration after this test."""
        low, high = self.bounds or ((test["low"], test["high"]) if test else (0.0, np.inf))
        scale = ((1 - config["momentum"]) / (1 - defaults()["momentum"])) ** self.power
        return bool(low * scale <= config["max_lr"] <= high * scale)


def read_tests(name: str, pools: Path = POOLS) -> list[dict[str, Any]]:
    """Return a problem's recorded range tests, one per seed, each by name.

    Raises:
        InputError: Nothing is recorded.
    """
    path = range_tests_file(name, pools)
    lines = read_lines(path)[1:]
    if not lines:
        command = f"uv run python -m benchmarks.race.record_range_tests {name}"
        raise InputError(f"{path}: nothing is recorded; {command} does it")
    return lines


EVERYTHING = (0.0, np.inf)

PROGRAM = Start("range test, bounds follow sqrt(1 - momentum)", "cycles", power=0.5)
"""The program's way to begin."""

CHOICES = (
    Start("random"),
    Start("random within fixed bounds", bounds=FIXED_BOUNDS),
    Start("random within fixed bounds, defaults first", bounds=FIXED_BOUNDS, defaults_first=True),
    Start("usual rate, bounds around it", "usual"),
    Start("usual rate, bounds follow sqrt(1 - momentum)", "usual", power=0.5),
    Start("range test by ramps", "ramps"),
    Start("range test, first trial only", "cycles", bounds=EVERYTHING),
    Start("range test", "cycles"),
    PROGRAM,
    Start("range test, bounds follow 1 - momentum", "cycles", power=1.0),
    Start("range test, bounds follow sqrt(1 - momentum), usual rate second", "cycles", second="usual", power=0.5),
)
"""All ways that are compared."""


def with_first(candidates: Candidates, test: Test) -> Candidates:
    """Return the candidates with one more row before the defaults: the trial at the test's rate."""
    curve = np.zeros(candidates.epochs)
    curve[: len(test["ema"])] = test["ema"]
    quality = candidates.quality
    return replace(
        candidates,
        configs=[*candidates.configs[:-1], test["first"], candidates.configs[-1]],
        signals={"ema": np.vstack([candidates.signals["ema"][:-1], curve, candidates.signals["ema"][-1:]])},
        epochs_run=np.insert(candidates.epochs_run, -1, len(test["ema"])),
        diverged=np.insert(candidates.diverged, -1, curve[-1] == 0),
        quality=np.insert(quality, -1, test["quality"]),
    )


def search(start: Start, candidates: Candidates, tests: Mapping[str, Test], order: int) -> tuple[Candidates, Ints]:
    """Replay one search.

    Args:
        start: Way to begin.
        candidates: Candidates of the pool.
        tests: Recorded tests of one seed, by name.
        order: Number of the random order.

    Returns:
        The candidates with the first trials and, as the last before the defaults, the first trial's recipe untrained;
        and the row that is shipped after 0, 1, ... epochs.
    """
    n, budget = candidates.n, budget_of(candidates)
    test = None if start.test is None else tests[start.test]
    drawn = start.drawn(candidates, test, order)
    spent = 0
    if test is not None:
        first = [test] if start.second is None else [test, tests[start.second]]
        for each in [*first, {**test, "ema": []}]:
            candidates = with_first(candidates, each)
        drawn, spent = [*range(n, n + len(first)), *drawn], test["epochs"]
    if start.defaults_first:
        drawn = [candidates.n, *drawn]
    verdicts = SuccessiveHalving(*RUNGS, candidates.epochs).start()
    history = replay(candidates, candidates.signals["ema"], drawn, verdicts, budget - spent)
    rows = np.concatenate([np.full(spent, FALLBACK), history.rows])
    epochs = np.concatenate([np.zeros(spent, dtype=np.int64), history.epochs])
    shipped = ship(History(rows, epochs), candidates, "ema", budget)
    if test is not None:
        untrained = shipped == FALLBACK
        untrained[:spent] = False
        shipped[untrained] = candidates.n - 1
    return candidates, shipped


def table(candidates: Candidates, tests: list[dict[str, Test]], orders: int) -> list[str]:
    """Return the Markdown lines of a table.

    Args:
        candidates: Candidates of the pool.
        tests: Recorded tests by seed; searches take turns with them.
        orders: Number of random orders.
    """
    heads = ["start", *figure_heads(candidates.epochs), "area - fixed bounds'"]
    lines = markdown_head(heads)
    results: dict[str, dict[str, Floats]] = {}
    for start in CHOICES:
        found = []
        for order in range(orders):
            extended, shipped = search(start, candidates, tests[order % len(tests)], order)
            found.append(measure(shipped, extended))
        results[start.name] = {name: np.array([each[name] for each in found]) for name in found[0]}
    fixed = results[CHOICES[1].name]["area"]
    for start in CHOICES:
        figures = results[start.name] | {"less fixed bounds": results[start.name]["area"] - fixed}
        if start.test is not None:
            figures = {name: _by_test(values, len(tests)) for name, values in figures.items()}
        cells = [start.name, *figure_cells(figures, candidates.epochs)]
        lines.append(markdown_row([*cells, with_interval(estimate(figures["less fixed bounds"]))]))
    return lines


def _by_test(values: Floats, tests: int) -> Floats:
    """Return the mean of each test's orders, (tests,)."""
    return np.array([values[first::tests].mean() for first in range(min(tests, len(values)))])


app = new_app("Compare ways to begin a search.")


@app.command()
def main(
    problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="Problem with a recorded pool and range tests.")],
    orders: Annotated[int, typer.Option("--orders", parser=whole_number(1), metavar="N", help="Replays.")] = ORDERS,
    pools: Annotated[Path, typer.Option("--pools", help="Folder of the pools.")] = POOLS,
    aside: AsideOption = False,
) -> None:
    """Print a table."""
    find_problem(problem, aside, "replays it")
    pool = read_pool(problem, pools)
    tests = read_tests(problem, pools)
    candidates = join(pool, read_defaults(pool, problem, pools))
    print(f"\n### {problem}, {orders} orders, {len(tests)} range tests, {date.today()}\n")
    print("\n".join(table(candidates, tests, orders)))


if __name__ == "__main__":
    run(app, "benchmarks.race.starts")
