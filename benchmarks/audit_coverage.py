"""Whether the report's estimate of what pruning cuts holds, and what the audit behind it costs.

    uv run python benchmarks/audit_coverage.py

Simulated searches (``simulator.py``) with the default policy of search_spaces/s11.yaml: there the end of every trial
is known, also of those that were stopped. The last line of the output is JSON.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from recorded import CIFAR10_W16, Curves, read_curves
from simulator import Simulated, Workers, World

from tune_s11.console import new_app, run, whole_number
from tune_s11.report.ranking import finalists_lost
from tune_s11.search_space import load_space


@dataclass(frozen=True)
class Audited:
    """What one search's audit told, and what was true.

    Attributes:
        truth: Share of the trials to be stopped that end among the best.
        low: Lower end of the report's 95% interval for it; None where the report can tell nothing.
        high: Its upper end.
        audited: Trials that ran on.
        extra: Epochs of these after their rungs, over all other epochs.
    """

    truth: float
    low: float | None
    high: float | None
    audited: int
    extra: float

    @property
    def covered(self) -> bool:
        """Whether the interval holds the truth; one that is not there does not."""
        return self.low is not None and self.high is not None and self.low <= self.truth <= self.high


def examine(search: Simulated, finalists: int) -> Audited:
    """Sets the report's estimate beside the truth."""
    told = finalists_lost(search.trials, search.audit, finalists)
    passed = told["trials"]
    stopped = [trial.number for trial in search.trials if trial.state == "pruned" or trial.name in passed]
    threshold = np.inf if told["threshold"] is None else told["threshold"]
    good = [search.fates[number].chosen_by >= threshold for number in stopped]
    return Audited(
        truth=float(np.mean(good)) if good else 0.0,
        low=told["low"],
        high=told["high"],
        audited=told["audited"],
        extra=told["extra_epochs"] / (search.spent - told["extra_epochs"]),
    )


def replays(world: World, workers: Workers, seeds: Iterable[int]) -> list[Audited]:
    """The search from several seeds, each examined."""
    settings = world.config.search
    return [examine(world.with_search(seed=seed).simulate(workers), settings.finalists) for seed in seeds]


def of_the_table(world: World, curves: Curves, seeds: Iterable[int]) -> Iterator[World]:
    """Searches over recorded configurations alone, none twice, in an order of their own."""
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(curves.score))[: world.config.search.samples]
        first = tuple(curves.configs[trial] for trial in order)
        yield replace(world, first=first).with_search(seed=seed, samples=len(order))


def tell(what: str, found: list[Audited]) -> None:
    """Prints one line over the replays."""
    widths = [each.high - each.low for each in found if each.low is not None and each.high is not None]
    print(
        f"{what:36}{len(found):8d}{np.mean([each.covered for each in found]):9.1%}"
        f"{np.mean([each.truth for each in found]):12.3f}{np.median(widths) if widths else np.nan:14.2f}"
        f"{np.mean([each.audited for each in found]):9.1f}{sum(each.low is None for each in found):9d}"
        f"{np.mean([each.extra for each in found]):8.1%}{np.max([each.extra for each in found]):9.1%}"
    )


def judge(lines: Iterable[list[Audited]]) -> dict[str, Any]:
    """The audit's goals, each by the line that does worst in it."""
    lines = list(lines)
    coverage = min(float(np.mean([each.covered for each in found])) for found in lines)
    extra = max(float(np.mean([each.extra for each in found])) for found in lines)
    goals = {
        "coverage": {"value": round(coverage, 3), "goal": 0.9, "met": coverage >= 0.9},
        "extra_epochs": {"value": round(extra, 4), "goal": 0.08, "met": extra <= 0.08},
    }
    return {"met": all(goal["met"] for goal in goals.values()), "goals": goals}


app = new_app("Measure the pruning audit in simulated searches.")


@app.command()
def main(
    curves: Annotated[Path, typer.Option("--curves", help="What record_curves.py wrote.")] = CIFAR10_W16,
    count: Annotated[
        int, typer.Option("--replays", parser=whole_number(1), metavar="N", help="Searches for each line.")
    ] = 200,
) -> None:
    """Prints how often the interval holds what is true, how wide it is, and what the audit costs."""
    recorded = read_curves(curves)
    world = World.recorded(recorded, load_space("s11"))
    settings, n = world.config.search, len(recorded.score)
    print(
        f"{curves}: n = {n} configurations; policy of s11.yaml: {settings.samples} trials, grace {settings.grace},",
        end="",
    )
    print(f" factor {settings.factor:g}; audit of {settings.audit:g}; the best are {settings.finalists} trials.\n")
    print(f"{'':36}{'':>8}{'':>9}{'truth,':>12}{'interval,':>14}{'audited,':>9}{'tell':>9}{'extra':>8}{'at':>9}")
    print(f"{'':36}{'replays':>8}{'covered':>9}{'mean share':>12}{'median width':>14}{'mean':>9}{'nothing':>9}", end="")
    print(f"{'epochs':>8}{'most':>9}")
    seeds, workers = range(count), Workers(8)
    big = world.with_search(sampler="random", samples=512)
    lines = {
        "tpe": replays(world, workers, seeds),
        "random": replays(world.with_search(sampler="random"), workers, seeds),
        f"random, {big.config.search.samples} trials": replays(big, workers, seeds[: -(-count // 4)]),
        f"each of the table's {min(n, settings.samples)} once": [
            examine(each.simulate(workers), settings.finalists) for each in of_the_table(world, recorded, seeds)
        ],
    }
    for what, found in lines.items():
        tell(what, found)
    print(json.dumps(judge(lines.values()) | {"n": n}))


if __name__ == "__main__":
    run(app, "audit_coverage.py")
