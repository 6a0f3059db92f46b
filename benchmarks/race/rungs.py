"""Compare rungs on a recorded pool: within one long cycle, as the program has them, or after short complete cycles.

    uv run python -m benchmarks.race.rungs digits-s11

A rung of cycles trains each configuration in a complete cycle of a few epochs first. Its score is that of an annealed
network, but none of its epochs counts towards the complete trial. The pool must have its cycles recorded
(``benchmarks.race.record_cycles``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.race.arms import random_order
from benchmarks.race.candidates import Candidates, History, join
from benchmarks.race.difficulty import ORDERS
from benchmarks.race.measures import budget_of, estimate, measure, ship
from benchmarks.race.pool import POOLS, Floats, read_defaults, read_pool
from benchmarks.race.problems import FIXED_BOUNDS, find_problem
from benchmarks.race.record_cycles import read_cycles
from benchmarks.race.replay import AsideOption, figure_cells, figure_heads, with_interval
from benchmarks.tools.markdown import markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import InputError
from tune_s11.pruning import Rung


@dataclass(frozen=True)
class Rungs:
    """A way to prune: rungs after short cycles, then rungs within the long one; each keeps one in ``factor``."""

    cycles: tuple[int, ...] = ()
    """Lengths of the short cycles, in epochs."""
    epochs: tuple[int, ...] = ()
    """Epochs of the rungs within the complete trial."""
    factor: float = 3.0

    def __str__(self) -> str:
        parts = []
        if self.cycles:
            parts.append("cycles of " + " and ".join(map(str, self.cycles)))
        if self.epochs:
            parts.append("epochs " + ", ".join(map(str, self.epochs)))
        return f"{', then '.join(parts)}; factor {self.factor:g}" if parts else "none"


CHOICES = (
    Rungs(),
    Rungs(epochs=(2, 6)),
    Rungs(epochs=(1, 2, 4, 8), factor=2.0),
    Rungs(epochs=(4,)),
    Rungs(epochs=(4, 8)),
    Rungs(epochs=(6,), factor=4.0),
    Rungs(cycles=(4,)),
    Rungs(cycles=(4,), factor=9.0),
    Rungs(cycles=(2,)),
    Rungs(cycles=(2, 4)),
    Rungs(cycles=(4,), epochs=(6,)),
)
"""All rungs that are compared; the second are the program's."""


def with_cycles(candidates: Candidates, cycles: dict[int, Floats]) -> Candidates:
    """Return the candidates with one more block of rows before the defaults for each length of cycle.

    Row ``n * (k + 1) + r`` is the cycle of row ``r`` in length ``k``. It is a trial that stops after the cycle's epochs
    with the cycle's score, and stands for the same configuration.
    """
    n, epochs = candidates.n, candidates.epochs
    ema, run, diverged = [candidates.signals["ema"][:-1]], [candidates.epochs_run[:-1]], [candidates.diverged[:-1]]
    for length, scores in cycles.items():
        curves = np.zeros((n, epochs))
        curves[:, length - 1] = scores
        ema.append(curves)
        run.append(np.full(n, length))
        diverged.append(scores == 0)
    blocks = 1 + len(cycles)
    return replace(
        candidates,
        configs=[*candidates.configs[:-1] * blocks, candidates.configs[-1]],
        signals={"ema": np.vstack([*ema, candidates.signals["ema"][-1:]])},
        epochs_run=np.concatenate([*run, candidates.epochs_run[-1:]]),
        diverged=np.concatenate([*diverged, candidates.diverged[-1:]]),
        quality=np.concatenate([np.tile(candidates.quality[:-1], blocks), candidates.quality[-1:]]),
    )


def replay(rungs: Rungs, candidates: Candidates, n: int, drawn: Iterable[int], lengths: list[int]) -> History:
    """Replay one search in a given order until the budget is spent or nothing is left to draw.

    Args:
        rungs: Rungs that prune.
        candidates: Result of :func:`with_cycles`.
        n: Number of configurations.
        drawn: Configurations in the order in which they are tried.
        lengths: Lengths of the recorded cycles, in the order of the candidates' blocks.
    """
    ema, budget = candidates.signals["ema"], budget_of(candidates)
    after = {length: Rung(rungs.factor) for length in rungs.cycles}
    within = {epoch: Rung(rungs.factor) for epoch in rungs.epochs}
    events: list[tuple[int, int]] = []

    def passes(row: int) -> bool:
        for length, rung in after.items():
            cycle = n * (1 + lengths.index(length)) + row
            events.extend((cycle, epoch) for epoch in range(1, length + 1))
            if not rung.keeps(row, float(ema[cycle, length - 1])):
                return False
        return True

    for row in drawn:
        if len(events) >= budget:
            break
        if not passes(row):
            continue
        for epoch in range(1, int(candidates.epochs_run[row]) + 1):
            events.append((row, epoch))
            if epoch in within and not within[epoch].keeps(row, float(ema[row, epoch - 1])):
                break
    rows, epochs = np.array(events[:budget]).reshape(-1, 2).T
    return History(rows, epochs)


def table(candidates: Candidates, cycles: dict[int, Floats], orders: int, max_lr: tuple[float, float]) -> list[str]:
    """Return the Markdown lines of a table.

    Args:
        candidates: Candidates of the pool.
        cycles: Scores of its cycles by length.
        orders: Number of random orders.
        max_lr: Lowest and highest ``max_lr`` that is drawn.
    """
    n, budget = candidates.n, budget_of(candidates)
    accepted = {row for row in range(n) if max_lr[0] <= candidates.configs[row]["max_lr"] <= max_lr[1]}
    extended = with_cycles(candidates, cycles)
    heads = ["rungs", *figure_heads(candidates.epochs), "area less none's"]
    lines = markdown_head(heads)
    without: Floats | None = None
    for rungs in CHOICES:
        found = []
        for order in range(orders):
            drawn = (row for row in random_order(n, order).tolist() if row in accepted)
            history = replay(rungs, extended, n, drawn, [*cycles])
            found.append(measure(ship(history, extended, "ema", budget), extended))
        figures = {name: np.array([each[name] for each in found]) for name in found[0]}
        without = figures["area"] if without is None else without
        cells = [str(rungs), *figure_cells(figures, candidates.epochs)]
        lines.append(markdown_row([*cells, with_interval(estimate(figures["area"] - without))]))
    return lines


app = new_app("Compare rungs within a long cycle with rungs after short ones.")


@app.command()
def main(
    problem: Annotated[str, typer.Argument(metavar="PROBLEM", help="Problem with a recorded pool and cycles.")],
    orders: Annotated[int, typer.Option("--orders", parser=whole_number(1), metavar="N", help="Replays.")] = ORDERS,
    pools: Annotated[Path, typer.Option("--pools", help="Folder of the pools.")] = POOLS,
    aside: AsideOption = False,
) -> None:
    """Print a table for the whole space, and one within the fixed bounds."""
    find_problem(problem, aside, "replays it")
    pool = read_pool(problem, pools)
    cycles = read_cycles(pool, problem, pools)
    needed = {length for rungs in CHOICES for length in rungs.cycles}
    if missing := needed - cycles.keys():
        raise InputError(
            f"PROBLEM {problem}: must have cycles of {', '.join(map(str, sorted(missing)))} epochs recorded"
        )
    candidates = join(pool, read_defaults(pool, problem, pools))
    for name, max_lr in (("whole space", (0.0, np.inf)), ("within fixed bounds", FIXED_BOUNDS)):
        print(f"\n### {problem}, {name}, {orders} orders, {date.today()}\n")
        print("\n".join(table(candidates, cycles, orders, max_lr)), flush=True)


if __name__ == "__main__":
    run(app, "benchmarks.race.rungs")
