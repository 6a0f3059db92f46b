"""Guard the pruning policy: on a recorded pool, it must do no worse than the figures stored with the pool.

    uv run python -m benchmarks.race.guard            # compare; the last line is JSON
    uv run python -m benchmarks.race.guard --record   # record what the policy achieves now

The program's own searcher, scheduler and audit run over recorded curves in random orders of the pool, so nothing is
trained or estimated. On this pool, a coin flip at the same rungs fails the guard, as the output shows. The guard
used to run on curves of S11 inside good bounds, where the coin passed.
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
from tune_s11.search.study import Proposals
from tune_s11.search_space import SearchConfig
from tune_s11.training.metrics import EpochMetrics

PROBLEM = "digits-plain"
ORDERS = 60
TOLERANCE = 3.0
"""Tolerance in standard errors, which allows for other random draws of another version of a sampler."""

BETTER = {"saving": 1, "area": -1}
"""Guarded figures: 1 where more is better, -1 where less is. Saving: epochs of the same trials unpruned over epochs
trained. Area: see :func:`benchmarks.race.measures.area`."""


@dataclass(frozen=True)
class CoinFlip(SuccessiveHalving):
    """A policy with the rungs of successive halving, at which chance decides."""

    order: int = 0

    def start(self) -> Verdicts:  # type: ignore[override]  # It exists to return another kind of verdicts.
        """Return the coin of the policy's order."""
        return Coin(self, self.order)


class Recorded:
    """A trial that replays its recorded epochs.

    Args:
        candidates: Recorded candidates.
        row: Row of the trial.
        metric: Metric that it reports: ``ema`` or ``raw`` validation accuracy.
        events: List to which its epochs are appended, as pairs of row and epoch.
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
        """Replay the epochs up to ``epoch`` and return the score after it."""
        for number in range(len(self.rows) + 1, min(epoch, self._length) + 1):
            diverged = self._diverged and number == self._length
            self.rows.append(_epoch(number, float(self._signal[number - 1]), diverged))
            self._events.append((self._row, number))
        return self.rows[-1].score


def _epoch(number: int, score: float, diverged: bool) -> EpochMetrics:
    return EpochMetrics(number, 0.0, None, 0.0, None, None, None, score, 0.0, 0.0, diverged)


def search(candidates: Candidates, policy: Policy, order: int, metric: str = "ema") -> dict[str, float]:
    """Run one search over the pool in random order number ``order`` and return the guarded figures.

    Args:
        candidates: The pool and the defaults, which the search does not try.
        policy: Pruning policy.
        order: Number of the order, and seed of the search.
        metric: Metric that trials report and that decides what is shipped.
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
        SearchWithoutRay(start, config, Proposals(config.domains, first), policy, Path(folder) / "audit.json").run()
    spent = np.array(events[: budget_of(candidates)])
    shipped = ship(History(spent[:, 0], spent[:, 1]), candidates, metric, budget_of(candidates))
    tried = [row for row in rows if any(row == each for each, _ in events)]
    return {
        "saving": float(candidates.epochs_run[tried].sum() / len(events)),
        "area": measure(shipped, candidates)["area"],
    }


def policy_of(epochs: int) -> SuccessiveHalving:
    """Return today's policy for trials of ``epochs`` epochs."""
    return SuccessiveHalving(*RUNGS, epochs)


def measure_policy(
    candidates: Candidates, build: Callable[[int], Policy], metric: str = "ema", orders: int = ORDERS
) -> dict[str, dict[str, float]]:
    """Return the mean of each figure over the orders as ``value``, and its ``tolerance``.

    Args:
        candidates: Candidates to search.
        build: Function that builds the policy, given the number of the order.
        metric: Metric of the trials; see :func:`search`.
        orders: Number of searches, one per order.
    """
    found = [search(candidates, build(order), order, metric) for order in range(orders)]
    figures = {}
    for name in BETTER:
        values = np.array([each[name] for each in found])
        tolerance = TOLERANCE * float(sem(values))
        figures[name] = {"value": round(estimate(values).mean, 5), "tolerance": round(tolerance, 5)}
    return figures


def compare(found: dict[str, dict[str, float]], recorded: dict[str, dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Return the value of each figure, the limit that is its goal, and whether it is met."""
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
        InputError: The pool or its defaults are not recorded.
    """
    pool = read_pool(name, pools)
    return join(pool, read_defaults(pool, name, pools))


def judge_policy(name: str = PROBLEM, pools: Path = POOLS) -> dict[str, dict[str, Any]]:
    """Return how today's policy compares with its recorded figures.

    Raises:
        InputError: No figures are recorded, or they are for another number of configurations.
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
    record: Annotated[bool, typer.Option("--record", help="Record what the policy achieves now.")] = False,
    pools: Annotated[Path, typer.Option("--pools", help="Folder of the pools.")] = POOLS,
) -> None:
    """Print the figures of the policy, of a coin flip, and of the policy ranked by raw accuracy."""
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
