"""Measure how many results the driver of a search handles, and so how many GPUs one driver keeps busy.

    uv run python -m benchmarks.scale.driver

The search is the program's own, with its searcher, policy, journal and files. Its trials only report, as often as
trials of 24 epochs in ten seconds would. Their workers are real Ray actors or, where this machine could not hold so
many, stand-ins in the driver's process, which leave out the time that Ray takes to wait for a result and deliver it.
"""

import json
import random
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any
from unittest.mock import patch

import numpy as np
import ray
import typer
from ray import tune
from ray.air.execution._internal import TrackedActor
from ray.tune.result import DONE, SHOULD_CHECKPOINT
from rich.console import Console

from benchmarks.tools.goals import at_least, judged
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number
from tune_s11.data import Images
from tune_s11.results import TrialResult
from tune_s11.results.folder import LAYOUT
from tune_s11.search.context import Context
from tune_s11.search.steps.trials import Limits, run_trials
from tune_s11.search.study import Proposals
from tune_s11.search.workers.cluster import Workers
from tune_s11.search.workers.executor import Executor
from tune_s11.search_space import SearchConfig, load_space
from tune_s11.storage.workspace import Local
from tune_s11.training.metrics import SCORE, EpochMetrics
from tune_s11.training.trainer import TrainingData

EPOCH_SECONDS = 10 / 24
REPORTS = (4, 12, 24)
"""Epochs after which such a trial reports: its rungs and its last epoch, at most five seconds apart."""

LOAD = 0.5
"""Largest share of its time that a driver should be busy."""

NO_IMAGES = Images(np.zeros((1, 32, 32, 3), np.uint8), np.zeros(1, np.int64))


def reports(params: dict[str, Any], seed: int) -> Iterator[dict[str, Any]]:
    """Yield what a trial's worker would report, with invented curves that are better near a ``max_lr`` of 0.4."""
    generator = random.Random(seed)
    best = 0.93 - 0.05 * abs(np.log10(params["max_lr"] / 0.4)) + generator.gauss(0, 0.002)
    before = 0
    for epoch in REPORTS:
        rows = [row(number, best * (1 - np.exp(-number / 4))) for number in range(before + 1, epoch + 1)]
        yield {
            "epoch": epoch,
            SCORE: rows[-1][SCORE],
            "epochs": rows,
            "hardware": {"device": "cpu", "precision": "fp32", "threads": 1},
            "gpu": None,
            DONE: epoch == REPORTS[-1],
            SHOULD_CHECKPOINT: False,
        }
        before = epoch


def row(epoch: int, accuracy: float) -> dict[str, Any]:
    return asdict(
        EpochMetrics(
            epoch=epoch,
            lr=0.1,
            train_loss=0.5,
            train_accuracy=0.8,
            val_loss=0.5,
            val_accuracy=accuracy,
            ema_val_loss=0.5,
            ema_val_accuracy=float(accuracy),
            seconds=EPOCH_SECONDS,
            images_per_second=1e5,
            diverged=False,
        )
    )


class Reporting(tune.Trainable):  # type: ignore[misc]
    """A trial that trains nothing."""

    def setup(self, config: dict[str, Any], **_: Any) -> None:
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._reports = reports(new_config["params"], new_config["seed"])
        return True

    def step(self) -> dict[str, Any]:
        return next(self._reports)


class StandIn:
    """A stand-in that answers like a worker without its process."""

    get_auto_filled_metrics = SimpleNamespace(remote=lambda **_: {})

    def __init__(self, config: dict[str, Any]) -> None:
        self.reset(config)

    def reset(self, new_config: dict[str, Any], *_: Any, **__: Any) -> bool:
        self._reports, self._iteration = reports(new_config["params"], new_config["seed"]), 0
        return True

    def train(self) -> dict[str, Any]:
        self._iteration += 1
        now = {"training_iteration": self._iteration, "timestamp": int(time.time()), "time_this_iter_s": 4.0}
        return next(self._reports) | now | {"time_total_s": 4.0, "hostname": "nowhere", "pid": 1, "node_ip": "::1"}

    def stop(self) -> None:
        pass


class StandInManager:
    """The part of Ray's actor manager that Tune's controller uses, with :class:`StandIn` for actors, ready at once."""

    def __init__(self, resource_manager: Any) -> None:
        self._events: deque[tuple[TrackedActor, Callable[[], None]]] = deque()
        self._live_actors_to_ray_actors_resources: dict[TrackedActor, tuple[StandIn, None]] = {}
        self._numbers = iter(range(10**9))

    def next(self, timeout: float | None = None) -> bool:
        if not self._events:
            return False
        self._events.popleft()[1]()
        return True

    def add_actor(
        self, cls: Any, resource_request: Any, kwargs: dict[str, Any], on_start: Any, on_stop: Any, on_error: Any
    ) -> TrackedActor:
        actor = TrackedActor(next(self._numbers), on_start, on_stop, on_error)
        self._live_actors_to_ray_actors_resources[actor] = (StandIn(kwargs["config"]), None)
        self._events.append((actor, lambda: on_start(actor)))
        return actor

    def schedule_actor_task(
        self,
        tracked_actor: TrackedActor,
        method_name: str,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        on_result: Any = None,
        on_error: Any = None,
        _return_future: bool = False,
    ) -> None:
        worker = self._live_actors_to_ray_actors_resources[tracked_actor][0]

        def answer() -> None:
            result = getattr(worker, method_name)(*args, **(kwargs or {}))
            if on_result:
                on_result(tracked_actor, result)

        self._events.append((tracked_actor, answer))

    def remove_actor(self, tracked_actor: TrackedActor, kill: bool = False, stop_future: Any = None) -> bool:
        self.clear_actor_task_futures(tracked_actor)
        self._live_actors_to_ray_actors_resources.pop(tracked_actor)
        if tracked_actor._on_stop:
            tracked_actor._on_stop(tracked_actor)
        return False

    def clear_actor_task_futures(self, tracked_actor: TrackedActor) -> None:
        self._events = deque(event for event in self._events if event[0] != tracked_actor)

    def is_actor_started(self, tracked_actor: TrackedActor) -> bool:
        return tracked_actor in self._live_actors_to_ray_actors_resources

    def is_actor_failed(self, tracked_actor: TrackedActor) -> bool:
        return False

    def get_live_actors_resources(self) -> dict[str, float]:
        return {}

    @property
    def num_pending_actors(self) -> int:
        return 0

    @property
    def num_live_actors(self) -> int:
        return len(self._live_actors_to_ray_actors_resources)

    num_total_actors = num_live_actors

    @property
    def num_actor_tasks(self) -> int:
        return len(self._events)

    def cleanup(self) -> None:
        self.__init__(None)  # type: ignore[misc]


@contextmanager
def real_actors() -> Iterator[None]:
    with patch("tune_s11.search.steps.trials.TrialTrainable", Reporting):
        yield


@contextmanager
def stand_ins() -> Iterator[None]:
    with ExitStack() as stack:
        stack.enter_context(real_actors())
        stack.enter_context(patch("ray.tune.execution.tune_controller.RayActorManager", StandInManager))
        yield


def search(folder: Path, actors: int, samples: int) -> tuple[float, list[TrialResult]]:
    """Run a search of ``s11.yaml``; return the seconds from the first start to the last result, and the trials."""
    config: SearchConfig = load_space("s11").with_lr_bounds(0.05, 2.0).with_overrides({"search.samples": str(samples)})
    data = TrainingData(NO_IMAGES, NO_IMAGES, 10, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    folder.mkdir()
    executor = Executor(Workers(actors, 1, 0, actors), "fp32")
    context = Context(Local(folder, LAYOUT), config, executor, Console(quiet=True))
    proposals = Proposals(config.domains, (config.recipe.model_dump(),))
    run_trials(context, ray.put(data), proposals, Limits(), compiled=False)
    times = [file.stat().st_mtime for file in folder.glob("trials/*/result.json")]
    begun = min(file.stat().st_mtime for file in folder.glob("trials/*/params.json"))
    return max(times) - begun, context.trials()


def tell(name: str, seconds: float, trials: list[TrialResult]) -> float:
    """Print what the driver sustained; return how many GPUs with trials of ten seconds it feeds at half load."""
    epochs = sum(trial.epoch for trial in trials)
    results = sum(REPORTS.index(trial.epoch) + 1 for trial in trials)
    gpus = LOAD * epochs * EPOCH_SECONDS / seconds
    print(
        f"{name:24}{len(trials):8,}{results / seconds:12,.0f}{1000 * seconds / results:14.1f}"
        f"{1000 * seconds / len(trials):14.1f}{gpus:10,.0f}",
        flush=True,
    )
    return gpus


app = new_app("Measure how many results the driver of a search handles.")


@app.command()
def main(
    actors: Annotated[
        int, typer.Option("--actors", parser=whole_number(1), metavar="N", help="Real ones, at most.")
    ] = 40,
) -> None:
    """Print results per second, what a result and a trial cost the driver, and the GPUs that it feeds at half load."""
    ray.init(address="local", num_cpus=actors, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    print(f"{'':24}{'trials':>8}{'results/s':>12}{'ms a result':>14}{'ms a trial':>14}{'GPUs fed':>10}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with real_actors():
            for count in sorted({min(10, actors), actors}):
                tell(f"{count} real actors", *search(folder / f"real-{count}", count, 4 * count))
        with stand_ins():
            fed = [tell("100 stand-ins", *search(folder / f"hundred-{turn}", 100, 400)) for turn in range(3)]
            tell("1,000 stand-ins", *search(folder / "thousand", 1000, 1000))
    ray.shutdown()
    print(json.dumps(judged({"GPUs fed at half load": at_least(statistics.median(fed), 64, digits=0)})))


if __name__ == "__main__":
    run(app, "benchmarks.scale.driver")
