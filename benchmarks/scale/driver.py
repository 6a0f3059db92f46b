"""Measure how many results per second a search's driver handles, and thus how many GPUs it keeps busy.

    uv run python -m benchmarks.scale.driver

The search is the program's own, with its searcher, policy, journal and files. Its trials only report; see
:mod:`benchmarks.scale.reporting`. Their workers are real Ray actors or, where this machine could not hold so many,
stand-ins in the driver's process, which leave out the time that Ray takes to wait for a result and deliver it.

Everything is measured in steady state, while every actor has a trial: from the start of the last actor's first trial to
the start of the last trial.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from unittest.mock import patch

import numpy as np
import ray
import typer
from ray import tune
from rich.console import Console

from benchmarks.scale.reporting import EPOCH_SECONDS, Reporting, StandInManager
from benchmarks.tools.goals import at_least, judged
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.data import Images
from tune_s11.results import TrialResult
from tune_s11.results.folder import LAYOUT
from tune_s11.search.context import Context
from tune_s11.search.steps.trials import run_trials
from tune_s11.search.study import Proposals
from tune_s11.search.workers.cluster import Workers
from tune_s11.search.workers.executor import Executor
from tune_s11.search_space import SearchConfig, load_space
from tune_s11.storage.workspace import Local
from tune_s11.training.trainer import TrainingData

LOAD = 0.5
"""Largest share of its time that a driver should be busy."""

NO_IMAGES = Images(np.zeros((1, 32, 32, 3), np.uint8), np.zeros(1, np.int64))


class Report(NamedTuple):
    """A result as the driver received it."""

    at: float
    """Wall time of its arrival, in seconds."""
    busy: float
    """Processor time that all threads of the driver's process had used, in seconds."""
    epochs: int
    """Epochs since the trial's last report."""


class Clock(tune.Callback):  # type: ignore[misc]
    """A callback that records the time of each result and of each trial's start."""

    def __init__(self) -> None:
        self._reports: list[Report] = []
        self._starts: list[float] = []

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record that an actor received a trial."""
        self._starts.append(time.monotonic())

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Record a result."""
        self._reports.append(Report(time.monotonic(), time.process_time(), len(result["epochs"])))

    def steady(self, actors: int) -> list[Report]:
        """Return the results received while each of this many actors had a trial."""
        return [report for report in self._reports if self._starts[actors - 1] <= report.at <= self._starts[-1]]


class Cost(NamedTuple):
    """Mean cost of a result to the driver."""

    seconds: float
    """Wall time in seconds."""
    busy: float
    """Processor time in seconds."""
    gpus: float
    """GPUs with trials of ten seconds that the driver feeds at half load."""


def cost(reports: list[Report]) -> Cost:
    """Return the mean cost of the results after the first one."""
    first, last, results = reports[0], reports[-1], len(reports) - 1
    epochs = sum(report.epochs for report in reports[1:])
    seconds = last.at - first.at
    return Cost(seconds / results, (last.busy - first.busy) / results, LOAD * epochs * EPOCH_SECONDS / seconds)


@contextmanager
def real_actors() -> Iterator[None]:
    """Make the trials only report. They receive no images, settings or network, so their workers import no torch."""
    with ExitStack() as stack:
        stack.enter_context(patch("tune_s11.search.steps.trials.TrialTrainable", Reporting))
        stack.enter_context(patch("ray.tune.with_parameters", lambda trainable, **_: trainable))
        yield


@contextmanager
def stand_ins() -> Iterator[None]:
    """Make the trials only report, in the driver's process."""
    with real_actors(), patch("ray.tune.execution.tune_controller.RayActorManager", StandInManager):
        yield


def search(folder: Path, actors: int, samples: int) -> tuple[list[Report], list[TrialResult]]:
    """Run a search of ``s11.yaml``; return its results in steady state, and its trials."""
    config: SearchConfig = load_space("s11").with_lr_bounds(0.05, 2.0).with_overrides({"search.samples": str(samples)})
    data = TrainingData(NO_IMAGES, NO_IMAGES, 10, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    folder.mkdir()
    executor, clock = Executor(Workers(actors, 1, 0, actors), "fp32"), Clock()
    context = Context(Local(folder, LAYOUT), config, executor, Console(quiet=True), callbacks=(clock,))
    proposals = Proposals(config.domains, (config.recipe.model_dump(),))
    run_trials(context, ray.put(data), proposals)
    return clock.steady(actors), context.trials()


HEADER = f"{'':24}{'trials':>8}{'results/s':>11}{'ms a result':>13}{'busy':>8}{'first':>8}{'last':>8}{'GPUs fed':>10}"
"""First and last: milliseconds of wall time per result in the first and the last fifth of the results."""


def tell(name: str, reports: list[Report], trials: list[TrialResult]) -> Cost:
    """Print what a result cost in steady state, and return it."""
    whole, fifth = cost(reports), len(reports) // 5
    first, last = cost(reports[:fifth]), cost(reports[-fifth:])
    print(
        f"{name:24}{len(trials):8,}{1 / whole.seconds:11,.0f}{1000 * whole.seconds:13.1f}{1000 * whole.busy:8.1f}"
        f"{1000 * first.seconds:8.1f}{1000 * last.seconds:8.1f}{whole.gpus:10,.0f}",
        flush=True,
    )
    return whole


app = new_app("Measure how many results the driver of a search handles.")


@app.command()
def main(
    actors: Annotated[int, typer.Option("--actors", parser=whole_number(1), metavar="N", help="Real actors.")] = 40,
    trials: Annotated[
        int, typer.Option("--trials", parser=whole_number(1), metavar="N", help="Trials on 256 stand-ins.")
    ] = 5000,
) -> None:
    """Print results per second, the driver's cost per result, and the GPUs that it feeds at half load."""
    ray.init(address="local", num_cpus=actors, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    print(HEADER)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with real_actors():
            for count in sorted({min(10, actors), actors}):
                tell(f"{count} real actors", *search(folder / f"real-{count}", count, 20 * count))
        with stand_ins():
            fed = [tell("100 stand-ins", *search(folder / f"hundred-{turn}", 100, 600)).gpus for turn in range(3)]
            tell("256 stand-ins", *search(folder / "long", 256, trials))
    ray.shutdown()
    print(json.dumps(judged({"GPUs fed at half load": at_least(statistics.median(fed), 64, digits=0)})))


if __name__ == "__main__":
    run(app, "benchmarks.scale.driver")
