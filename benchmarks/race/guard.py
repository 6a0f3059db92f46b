"""The policy's guard: on a recorded pool, today's pruning is no worse than is written down beside the pool.

    uv run python -m benchmarks.race.guard            # compares; the last line is JSON
    uv run python -m benchmarks.race.guard --record   # writes down what the policy achieves now

The program's own searcher, scheduler and audit run over recorded curves, in random orders of the pool, so that nothing
is trained and nothing is estimated. The pool is one on which a coin flip at the same rungs fails the guard: the output
shows it. On the curves of S11 inside good bounds, where the guard stood before, the coin passed.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from scipy.stats import sem

from benchmarks.race.arms import RUNGS, Coin, random_order
from benchmarks.race.candidates import Candidates, History, join
from benchmarks.race.measures import budget_of, estimate, measure, ship
from benchmarks.race.pool import POOLS, read_defaults, read_pool
from benchmarks.race.problems import SPACE
from tune_s11.cli.app import new_app, run
from tune_s11.config import InputError, Recipe, SearchSettings
from tune_s11.pruning import Policy, SuccessiveHalving, Verdicts
from tune_s11.search.simulation import SearchWithoutRay
from tune_s11.search_space import SearchConfig
from tune_s11.training.metrics import EpochMetrics

PROBLEM = "digits-plain"
ORDERS = 60
TOLERANCE = 3.0
"""Standard errors: what another version of a sampler, which has other luck, may make of it."""

BETTER = {"saving": 1, "area": -1}
"""The figures that are guarded, and whether more of one is better. Saving: epochs of the same trials unpruned over
epochs trained. Area: as :func:`benchmarks.race.measures.area`."""


@dataclass(frozen=True)
class CoinFlip(SuccessiveHalving):
    """The rungs of successive halving, at which chance decides."""

    order: int = 0

    def start(self) -> Verdicts:  # type: ignore[override]  # Verdicts of another kind are what it is for.
        """Return the coin of one order."""
        return Coin(self, self.order)


class Recorded:
    """A trial whose epochs were recorded.

    Args:
        candidates: What was recorded.
        row: Which of them.
        metric: What it reports: ``ema`` or ``raw`` validation accuracy.
        events: Where its epochs are noted, as pairs of row and epoch.
    """

    def __init__(self, candidates: Candidates, row: int, metric: str, events: list[tuple[int, int]]) -> None:
        self.rows: list[EpochMetrics] = []
        self._signal = candidates.signals[metric][row]
        self._length = int(candidates.epochs_run[row])
        self._diverged = bool(candidates.diverged[row])
        self._row, self._events = row, events

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train."""
        return len(self.rows) == self._length

    def advance(self, epoch: int) -> float:
        """Note the epochs until ``epoch``; return the score after it."""
        for number in range(len(self.rows) + 1, min(epoch, self._length) + 1):
            diverged = self._diverged and number == self._length
            self.rows.append(_epoch(number, float(self._signal[number - 1]), diverged))
            self._events.append((self._row, number))
        return self.rows[-1].score


def _epoch(number: int, score: float, diverged: bool) -> EpochMetrics:
    return EpochMetrics(number, 0.0, None, 0.0, None, None, None, score, 0.0, 0.0, diverged)


def search(candidates: Candidates, policy: Policy, order: int, metric: str = "ema") -> dict[str, float]:
    """Run one search over the pool in random order ``order``; return the figures that are guarded.

    Args:
        candidates: The pool, and the defaults, which the search does not try.
        policy: Who is pruned.
        order: Number of the order, and the search's seed.
        metric: What trials report, and what is shipped by.
    """
    events: list[tuple[int, int]] = []
    recipe = Recipe(dataset="digits", epochs=candidates.epochs, peak_epoch=candidates.epochs / 4)
    settings = SearchSettings(grace=RUNGS[0], factor=RUNGS[1], seed=order)
    rows = random_order(candidates.n, order).tolist()[: settings.samples]
    number_of = {json.dumps(candidates.configs[row]): row for row in rows}

    def start(trial: dict[str, Any]) -> Recorded:
        drawn = json.dumps({name: trial["params"][name] for name in SPACE})
        return Recorded(candidates, number_of[drawn], metric, events)

    with tempfile.TemporaryDirectory() as folder:
        first = tuple({**candidates.configs[row]} for row in rows)
        config = SearchConfig(recipe, {**SPACE}, settings)
        SearchWithoutRay(start, config, first, policy, Path(folder) / "audit.json").run()
    spent = np.array(events[: budget_of(candidates)])
    shipped = ship(History(spent[:, 0], spent[:, 1]), candidates, metric, budget_of(candidates))
    tried = [row for row in rows if any(row == each for each, _ in events)]
    return {
        "saving": float(candidates.epochs_run[tried].sum() / len(events)),
        "area": measure(shipped, candidates)["area"],
    }


def policy_of(epochs: int) -> SuccessiveHalving:
    """Return today's policy for trials of so many epochs."""
    return SuccessiveHalving(*RUNGS, epochs)


def measure_policy(
    candidates: Candidates, build: Callable[[int], Policy], metric: str = "ema", orders: int = ORDERS
) -> dict[str, dict[str, float]]:
    """Return each figure's mean over the orders as ``value``, and its ``tolerance``.

    Args:
        candidates: What to search.
        build: Builds the policy, given the number of the order.
        metric: As :func:`search`.
        orders: Searches.
    """
    found = [search(candidates, build(order), order, metric) for order in range(orders)]
    figures = {}
    for name in BETTER:
        values = np.array([each[name] for each in found])
        tolerance = TOLERANCE * float(sem(values))
        figures[name] = {"value": round(estimate(values).mean, 5), "tolerance": round(tolerance, 5)}
    return figures


def compare(found: dict[str, dict[str, float]], recorded: dict[str, dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Return for each figure its value, the limit that is its goal, and whether it is met."""
    goals = {}
    for name, sign in BETTER.items():
        limit = round(recorded[name]["value"] - sign * recorded[name]["tolerance"], 5)
        value = found[name]["value"]
        goals[name] = {"value": value, "goal": limit, "met": sign * (value - limit) >= 0}
    return goals


def figures_file(name: str = PROBLEM, pools: Path = POOLS) -> Path:
    """Return the file of the recorded figures."""
    return pools / f"{name}.policy.json"


def read_candidates(name: str, pools: Path) -> Candidates:
    """Return a problem's pool with its defaults.

    Raises:
        InputError: They are not recorded.
    """
    pool = read_pool(name, pools)
    return join(pool, read_defaults(pool, name, pools))


def judge_policy(name: str = PROBLEM, pools: Path = POOLS) -> dict[str, dict[str, Any]]:
    """Return how today's policy compares with its record.

    Raises:
        InputError: There is no record, or it is of another number of configurations.
    """
    file = figures_file(name, pools)
    if not file.exists():
        raise InputError(f"{file}: no such file; uv run python -m benchmarks.race.guard --record writes it")
    kept = json.loads(file.read_text())
    candidates = read_candidates(name, pools)
    if kept["configurations"] != candidates.n:
        raise InputError(f"{file}: is of {kept['configurations']} configurations; expected the pool's {candidates.n}")
    return compare(measure_policy(candidates, lambda _: policy_of(candidates.epochs)), kept["figures"])


app = new_app("Compare today's pruning policy with its record on a pool.")


@app.command()
def main(
    record: Annotated[bool, typer.Option("--record", help="Write down what the policy achieves now.")] = False,
    pools: Annotated[Path, typer.Option("--pools", help="Folder of the pools.")] = POOLS,
) -> None:
    """Print the policy's figures beside a coin flip's and those by raw accuracy."""
    candidates = read_candidates(PROBLEM, pools)
    policy = policy_of(candidates.epochs)
    today = measure_policy(candidates, lambda _: policy)
    if record:
        kept = {"configurations": candidates.n, "orders": ORDERS, "figures": today}
        figures_file(PROBLEM, pools).write_text(json.dumps(kept, indent=1) + "\n")
    coin = CoinFlip(policy.grace, policy.factor, policy.epochs)
    others = {
        "today's rungs": today,
        "coin flip at today's rungs": measure_policy(candidates, lambda order: replace(coin, order=order)),
        "today's rungs, raw accuracy": measure_policy(candidates, lambda _: policy, "raw"),
    }
    print(f"{PROBLEM}, {candidates.n} configurations, {ORDERS} orders; tolerance: {TOLERANCE:g} standard errors")
    for name, figures in others.items():
        cells = [f"{key} {figure['value']:.3f} ± {figure['tolerance']:.3f}" for key, figure in figures.items()]
        print(f"{name:30}{'   '.join(cells)}")
    goals = judge_policy(PROBLEM, pools)
    print(json.dumps({"met": all(goal["met"] for goal in goals.values()), "goals": goals}))


if __name__ == "__main__":
    run(app, "benchmarks.race.guard")
