"""Trials that train nothing but report as often as trials of 24 epochs in ten seconds would. Imports no torch."""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from ray import tune
from ray.air.execution._internal import TrackedActor
from ray.tune.result import DONE, SHOULD_CHECKPOINT, TIME_THIS_ITER_S

EPOCH_SECONDS = 10 / 24
REPORTS = (4, 12, 24)
"""Epochs after which such a trial reports: its rungs and its last epoch, at most five seconds apart."""


def reports(params: dict[str, Any], seed: int) -> Iterator[dict[str, Any]]:
    """Yield the reports of a trial's worker, with invented curves that are best near a ``max_lr`` of 0.4."""
    generator = random.Random(seed)
    best = 0.93 - 0.05 * abs(np.log10(params["max_lr"] / 0.4)) + generator.gauss(0, 0.002)
    before = 0
    for epoch in REPORTS:
        rows = [row(number, float(best * (1 - np.exp(-number / 4)))) for number in range(before + 1, epoch + 1)]
        yield {
            "epoch": epoch,
            "ema_val_accuracy": rows[-1]["ema_val_accuracy"],
            "epochs": rows,
            "hardware": {"device": "cpu", "precision": "fp32", "threads": 1},
            "gpu": None,
            DONE: epoch == REPORTS[-1],
            SHOULD_CHECKPOINT: False,
            TIME_THIS_ITER_S: EPOCH_SECONDS * (epoch - before),
        }
        before = epoch


def row(epoch: int, accuracy: float) -> dict[str, Any]:
    """Return the fields of :class:`tune_s11.training.metrics.EpochMetrics` for an epoch."""
    losses = dict.fromkeys(("train_loss", "val_loss", "ema_val_loss"), 0.5)
    accuracies = {"train_accuracy": 0.8, "val_accuracy": accuracy, "ema_val_accuracy": accuracy}
    speed = {"seconds": EPOCH_SECONDS, "images_per_second": 1e5}
    return {"epoch": epoch, "lr": 0.1, "diverged": False, **losses, **accuracies, **speed}


class Reporting(tune.Trainable):  # type: ignore[misc]
    """A trial that trains nothing, in a worker of its own."""

    def setup(self, config: dict[str, Any], **_: Any) -> None:
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._reports = reports(new_config["params"], new_config["seed"])
        return True

    def step(self) -> dict[str, Any]:
        return next(self._reports)


class StandIn:
    """A stand-in that answers like a worker, but in the driver's process."""

    get_auto_filled_metrics = SimpleNamespace(remote=lambda **_: {})

    def __init__(self, config: dict[str, Any]) -> None:
        self.reset(config)

    def reset(self, new_config: dict[str, Any], *_: Any, **__: Any) -> bool:
        self._reports, self._iteration = reports(new_config["params"], new_config["seed"]), 0
        return True

    def train(self) -> dict[str, Any]:
        self._iteration += 1
        now = {"training_iteration": self._iteration, "timestamp": int(time.time()), "time_total_s": 4.0}
        return next(self._reports) | now | {"hostname": "nowhere", "pid": 1, "node_ip": "::1"}

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
