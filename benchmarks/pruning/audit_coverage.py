"""Measure whether the report estimates correctly how many good trials pruning stops, and what its audit costs.

    uv run python -m benchmarks.pruning.audit_coverage

Searches are simulated (``benchmarks.pruning.simulator``) with the policy of search_spaces/s11.yaml and an audit. A
simulation knows the final score of every trial, including those that were stopped. The last line of the output is JSON.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.pruning.curves import CIFAR10_W16, Curves, read_curves
from benchmarks.pruning.simulator import Simulated, Workers, World
from benchmarks.tools.goals import at_least, at_most, judged
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.report.ranking import finalists_lost
from tune_s11.results import places_after
from tune_s11.search_space import load_space

SHARE = 0.05
"""Share of the trials to be stopped that are audited; by default a search has no audit."""

WIDTHS = (9, 9, 13, 14, 10, 9, 8, 8)
"""Widths of the table's columns after the first."""


@dataclass(frozen=True)
class Audited:
    """Estimate by one search's audit, and the truth.

    Attributes:
        truth: Share of the trials to be stopped that finish among the best.
        low: Lower end of the report's 95% interval for the truth; None if the report has no estimate.
        high: Upper end of this interval.
        audited: Number of audited trials, which continued instead of being stopped.
        extra: Epochs of the audited trials after their rungs, over all other epochs.
    """

    truth: float
    low: float | None
    high: float | None
    audited: int
    extra: float

    @property
    def covered(self) -> bool:
        """Whether the interval holds the truth; a missing interval does not."""
        return self.low is not None and self.high is not None and self.low <= self.truth <= self.high


def examine(search: Simulated, finalists: int) -> Audited:
    """Compare the report's estimate with the truth."""
    told = finalists_lost(search.trials, search.audit, finalists)
    passed = told["trials"]
    stopped = [trial.number for trial in search.trials if trial.state == "pruned" or trial.name in passed]
    threshold = np.inf if told["threshold"] is None else told["threshold"]
    good = [search.courses[number].chosen_by >= threshold for number in stopped]
    return Audited(
        truth=float(np.mean(good)) if good else 0.0,
        low=told["low"],
        high=told["high"],
        audited=told["audited"],
        extra=told["extra_epochs"] / (search.spent - told["extra_epochs"]),
    )


def of_the_table(world: World, curves: Curves, seeds: Iterable[int]) -> Iterator[World]:
    """Yield searches that try only recorded configurations, none twice, in a different order for each seed."""
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(len(curves.score))[: world.config.search.samples]
        first = tuple(curves.configs[trial] for trial in order)
        yield replace(world, first=first).with_search(seed=seed, samples=len(order))


def tell(what: str, found: list[Audited]) -> None:
    """Print one line for the simulated searches."""
    widths = [each.high - each.low for each in found if each.low is not None and each.high is not None]
    extra = [each.extra for each in found]
    cells = (
        f"{len(found)}",
        f"{np.mean([each.covered for each in found]):.1%}",
        f"{np.mean([each.truth for each in found]):.3f}",
        f"{np.median(widths) if widths else np.nan:.2f}",
        f"{np.mean([each.audited for each in found]):.1f}",
        f"{sum(each.low is None for each in found)}",
        f"{np.mean(extra):.1%}",
        f"{max(extra):.1%}",
    )
    print(f"{what:30}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True)), flush=True)


def judge(lines: Sequence[list[Audited]]) -> dict[str, Any]:
    """Return the audit's goals, each judged by its worst line."""
    coverage = min(float(np.mean([each.covered for each in found])) for found in lines)
    extra = max(float(np.mean([each.extra for each in found])) for found in lines)
    return judged({"coverage": at_least(coverage, 0.9), "extra_epochs": at_most(extra, 0.08, digits=4)})


app = new_app("Measure the pruning audit in simulated searches.")


@app.command()
def main(
    curves: Annotated[Path, typer.Option("--curves", help="Recording of benchmarks.pruning.record.")] = CIFAR10_W16,
    count: Annotated[
        int, typer.Option("--replays", parser=whole_number(1), metavar="N", help="Searches for each line.")
    ] = 200,
) -> None:
    """Print how often the interval holds the truth, how wide it is, and what the audit costs."""
    recorded = read_curves(curves)
    world = World.recorded(recorded, load_space("s11")).with_search(audit=SHARE)
    settings, n = world.config.search, len(recorded.score)
    finalists = places_after(settings.samples * world.config.recipe.epochs, world.config)
    print(f"{curves}: n = {n} configurations. The policy of s11.yaml: {settings.samples} trials, grace", end=" ")
    print(f"{settings.grace}, factor {settings.factor:g}, audit {settings.audit:g}; the best are {finalists}.\n")
    for heads in (
        ("", "", "true share,", "interval,", "audited,", "tell", "extra", "at"),
        ("replays", "covered", "mean", "median width", "mean", "nothing", "epochs", "most"),
    ):
        print(" " * 30 + "".join(f"{head:>{width}}" for head, width in zip(heads, WIDTHS, strict=True)))
    seeds, workers = range(count), Workers(8)
    lines: list[list[Audited]] = []

    def told(what: str, worlds: Iterable[World]) -> None:
        lines.append([examine(each.simulate(workers), finalists) for each in worlds])
        tell(what, lines[-1])

    told("tpe", (world.with_search(seed=seed) for seed in seeds))
    told("random", (world.with_search(seed=seed, sampler="random") for seed in seeds))
    some = seeds[: -(-count // 4)]
    told("random, 512 trials", (world.with_search(seed=seed, sampler="random", samples=512) for seed in some))
    told(f"each of the table's {min(n, settings.samples)} once", of_the_table(world, recorded, seeds))
    print(json.dumps(judge(lines) | {"n": n}))


if __name__ == "__main__":
    run(app, "benchmarks.pruning.audit_coverage")
