"""Race the arms that only choose on recorded pools, and print a Markdown table for each problem and track.

    uv run python -m benchmarks.race.replay
    uv run python -m benchmarks.race.replay digits-s11 --orders 20

Without a problem, all problems whose pool and defaults are recorded are replayed. In one track every arm tries the
recipe's defaults first; in the other none does. The last line of the output is JSON with all figures.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.race.arms import ARMS, RANDOM, TODAYS_RUNGS, Arm, run_arm
from benchmarks.race.candidates import Candidates, join
from benchmarks.race.difficulty import ORDERS
from benchmarks.race.measures import Estimate, budget_of, estimate, measure, read_at, ship
from benchmarks.race.pool import POOLS, Floats, Ints, defaults_file, pool_file, read_defaults, read_pool
from benchmarks.race.problems import PROBLEMS, find_problem
from benchmarks.tools.markdown import markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.config import InputError

TRACKS = {"defaults first": True, "no defaults": False}

LEGEND = """\
Regret is that of what would be shipped: 0 the best known, 1 the pool's median. Area: under the regret against
log(epochs), from one complete trial's epochs to the budget of 20, over its width. Close: share of the searches that
are ever within one point of the best known; epochs until then are a restricted mean, censored at the budget.
Differences are paired by order; below 0 is better. Trials: median of those started. Ran out: share of the orders in
which nothing was left to draw, and after how many epochs (median); the arm then keeps what it has."""


@dataclass(frozen=True)
class Searches:
    """Results of an arm, order by order."""

    figures: dict[str, Floats]
    """Figures by name, see :func:`benchmarks.race.measures.measure`; each (orders,)."""
    trials: Ints
    """Number of trials started, (orders,)."""
    ran_out: Ints
    """Epochs spent when nothing was left to draw, (orders,); the budget where it was spent first."""

    def against(self, other: "Searches") -> dict[str, Estimate]:
        """Estimate by how much each figure exceeds that of another arm in the same orders."""
        return {name: estimate(values - other.figures[name]) for name, values in self.figures.items()}


def search(arm: Arm, candidates: Candidates, orders: int, defaults_first: bool) -> Searches:
    """Replay an arm in orders 0 to ``orders`` - 1."""
    budget = budget_of(candidates)
    figures, trials, spent = [], [], []
    for order in range(orders):
        history = run_arm(arm, candidates, order, budget, defaults_first)
        figures.append(measure(ship(history, candidates, arm.metric, budget), candidates))
        trials.append(len(np.unique(history.rows)))
        spent.append(len(history.rows))
    by_name = {name: np.array([figure[name] for figure in figures]) for name in figures[0]}
    return Searches(by_name, np.array(trials), np.array(spent))


def figure_heads(epochs: int) -> list[str]:
    """Return the heads of the columns that every table of the race has.

    Args:
        epochs: Epochs of a complete trial.
    """
    return ["area", *(f"regret at {point}" for point in read_at(epochs).values()), "epochs until close", "close"]


def figure_cells(figures: Mapping[str, Floats], epochs: int) -> list[str]:
    """Return the cells of these columns.

    Args:
        figures: Figures by name, see :func:`benchmarks.race.measures.measure`; each (searches,).
        epochs: Epochs of a complete trial.
    """
    cells = [with_interval(estimate(figures[name])) for name in ("area", *read_at(epochs))]
    return [*cells, with_interval(estimate(figures["epochs"]), 0), f"{figures['close'].mean():.0%}"]


def table(searches: dict[str, Searches], candidates: Candidates) -> list[str]:
    """Return the Markdown lines of a track's table."""
    budget = budget_of(candidates)
    heads = ["arm", *figure_heads(candidates.epochs)]
    heads += ["area - random's", "area - rungs'", "trials", "ran out"]
    lines = markdown_head(heads)
    for name, of_arm in searches.items():
        out = of_arm.ran_out < budget
        cells = [name, *figure_cells(of_arm.figures, candidates.epochs)]
        for other in (RANDOM.name, TODAYS_RUNGS.name):
            cells.append("." if name == other else with_interval(of_arm.against(searches[other])["area"]))
        cells.append(f"{np.median(of_arm.trials):.0f}")
        cells.append(f"{out.mean():.0%}, after {np.median(of_arm.ran_out[out]):.0f}" if out.any() else ".")
        lines.append(markdown_row(cells))
    return lines


def figures_of(searches: dict[str, Searches], budget: int) -> dict[str, Any]:
    """Return the figures of the tables and further differences; an estimate is its mean, low end and high end."""
    return {
        name: {
            "orders": len(of_arm.trials),
            **_rounded({key: estimate(values) for key, values in of_arm.figures.items()}),
            "less_random": _rounded(of_arm.against(searches[RANDOM.name])),
            "less_rungs": _rounded(of_arm.against(searches[TODAYS_RUNGS.name])),
            "trials": float(np.median(of_arm.trials)),
            "ran_out": float((of_arm.ran_out < budget).mean()),
        }
        for name, of_arm in searches.items()
    }


def race(name: str, orders: int, pools: Path) -> dict[str, Any]:
    """Print a problem's tables and return its figures.

    Raises:
        InputError: The pool or the runs of the defaults are not recorded.
    """
    pool = read_pool(name, pools)
    candidates = join(pool, read_defaults(pool, name, pools))
    facts = {
        "n": candidates.n,
        "orders": orders,
        "processors": dict(Counter(pool.processors)),
        "recorded": str(pool.header["manifest"]["created"])[:10],
        "fresh_seeds": int((~np.isnan(pool.fresh)).sum()),
        "diverged": int(pool.diverged.sum()),
        "best_known": round(candidates.best_known, 4),
        "median": round(candidates.median, 4),
        "defaults": round(float(candidates.quality[-1]), 4),
        "defaults_regret": round(float(candidates.regret[-1]), 3),
        "budget": budget_of(candidates),
    }
    tracks = {}
    for track, defaults_first in TRACKS.items():
        searches = {arm.name: search(arm, candidates, orders, defaults_first) for arm in ARMS}
        print(f"\n### {name}, {track}\n\n{_describe(facts)}\n")
        print("\n".join(table(searches, candidates)), flush=True)
        tracks[track] = figures_of(searches, budget_of(candidates))
    return facts | {"tracks": tracks}


def _describe(facts: dict[str, Any]) -> str:
    kinds = ", ".join(f"{count} on {kind}" for kind, count in facts["processors"].items())
    source = f"fresh seeds of {facts['fresh_seeds']}" if facts["fresh_seeds"] else "single runs: luck makes it too high"
    return (
        f"n = {facts['n']} configurations ({kinds}; {facts['diverged']} diverge), {facts['orders']} orders, pool of "
        f"{facts['recorded']}, replayed {date.today()}. Best known {facts['best_known']:.4f} ({source}), median "
        f"{facts['median']:.4f}, the recipe's defaults {facts['defaults']:.4f}: who ships them throughout has regret "
        f"and area {facts['defaults_regret']:.3f}. Budget {facts['budget']} epochs. ± is a 95% interval over orders."
    )


def with_interval(value: Estimate, digits: int = 3) -> str:
    """Format a mean and half its interval for a table."""
    half = value.high - value.mean
    return f"{value.mean:.{digits}f}" + ("" if np.isnan(half) else f" ± {half:.{digits}f}")


def _rounded(estimates: dict[str, Estimate]) -> dict[str, list[float | None]]:
    return {
        name: [None if np.isnan(value) else round(value, 4) for value in found] for name, found in estimates.items()
    }


AsideOption = Annotated[bool, typer.Option("--aside", help="Replay the held-out problem.")]

app = new_app("Race the arms that only choose among recorded configurations.")


@app.command()
def main(
    problems: Annotated[list[str] | None, typer.Argument(metavar="[PROBLEM]...", help="Default: all recorded.")] = None,
    orders: Annotated[int, typer.Option("--orders", parser=whole_number(1), metavar="N", help="Replays.")] = ORDERS,
    aside: AsideOption = False,
    pools: Annotated[Path, typer.Option("--pools", help="Folder of the pools.")] = POOLS,
) -> None:
    """Print a table for each problem and track, and all figures as JSON."""
    names = problems or [
        name
        for name, problem in PROBLEMS.items()
        if not problem.aside and pool_file(name, pools).exists() and defaults_file(name, pools).exists()
    ]
    if not names:
        raise InputError(f"--pools {pools}: must hold a problem's pool and the runs of its defaults")
    for name in names:
        find_problem(name, aside, "replays it")
    print(LEGEND)
    results = {name: race(name, orders, pools) for name in names}
    print("\n" + json.dumps({"date": str(date.today()), "problems": results}))


if __name__ == "__main__":
    run(app, "benchmarks.race.replay")
