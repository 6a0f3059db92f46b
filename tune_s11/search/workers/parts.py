"""Runs the parts of a stage on workers that may die or hang: each part is placed, watched, and, if it fails, repeated.

A part is anything but a trial: a ramp, a cycle, a finalist's run or a refit. It is a Ray task in its own placement
group, whose state shows when the part has its place. From then on, its worker must give heartbeats; even a worker
that hangs before it starts is found. How long it may be silent follows from the time between its reports of progress;
heartbeats of a worker that waits only keep it alive. Removing the group kills whatever occupies it, even a frozen
process.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import ray
from ray import ObjectRef
from ray.exceptions import RayError
from ray.util.placement_group import PlacementGroup, placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tune_s11.config import InputError
from tune_s11.hardware import Hardware
from tune_s11.search.failures import Watchdog
from tune_s11.search.ray_internals import Heartbeats, Sent
from tune_s11.search.workers.cluster import Workers
from tune_s11.storage.disk import describe_disk_error

POLL_SECONDS = 2.0

Alive = Callable[[], None]
"""Function that is called as a sign of life."""


class Worker(NamedTuple):
    """A worker, as the task that it runs sees it."""

    hardware: Hardware
    """Hardware to compute with, already activated."""
    alive: Alive
    """Called as training goes on, at least once per epoch."""
    waiting: Alive
    """Called while nothing goes on."""


class Failed(NamedTuple):
    """The result of a part that has failed for good."""

    reason: str
    """Reason in one line."""
    traceback: str


@dataclass
class _Part:
    """A part and its state.

    Attributes:
        call: Number of the part.
        arguments: Arguments of the task.
        failures: Number of times that it has failed.
        place: Placement group that it runs in.
        placed: Whether Ray has found resources for the group.
        result: Reference to the task's result.
        name: Name of this attempt.
        sent: Numbers of its worker's heartbeats so far.
        killed: Reason why its worker was killed; None: it was not.
    """

    call: int
    arguments: tuple[Any, ...]
    failures: int = 0
    place: PlacementGroup | None = None
    placed: bool = False
    result: ObjectRef | None = None
    name: str = ""
    sent: Sent = field(default_factory=Sent)
    killed: str | None = None


class Parts:
    """The parts of one stage.

    Args:
        task: Ray task that takes an :data:`Alive` as its first argument.
        name: Name of the task in Ray.
        workers: Workers that run at once.
        watchdog: Watch that finds hanging workers.
        max_failures: Number of times that a part is retried.
    """

    def __init__(self, task: Any, name: str, workers: Workers, watchdog: Watchdog, max_failures: int) -> None:
        self._task, self._name = task, name
        self._workers, self._watchdog, self._max_failures = workers, watchdog, max_failures
        self._heartbeats = Heartbeats()
        self._places: list[PlacementGroup] = []  # all that exist
        self._free: list[PlacementGroup] = []  # those whose part has finished, and whose worker is warm

    def run(
        self,
        calls: Iterable[tuple[Any, ...]],
        on_wait: Callable[[], None],
        on_result: Callable[[int, Any], None],
        on_failure: Callable[[int, str], None],
    ) -> list[Any]:
        """Run all parts.

        Args:
            calls: Other arguments of the task, for each part.
            on_wait: Function that is called every two seconds, and when parts end.
            on_result: Function that is called with the number of a part and its result.
            on_failure: Function that is called with the number of a part that will be repeated, and the reason.

        Returns:
            The results, with a :class:`Failed` for a part that has failed too often.

        Raises:
            InputError: A part raised it. No other part is started; it is raised when those that are running have ended.
            RayError: Likewise, for a disk error that only the user can fix.
        """
        waiting = deque(_Part(call, arguments) for call, arguments in enumerate(calls))
        results: list[Any] = [None] * len(waiting)
        running: list[_Part] = []
        trouble: RayError | InputError | None = None
        with self._cleared():
            while running or (waiting and trouble is None):
                while waiting and trouble is None and (self._workers.cap is None or len(running) < self._workers.cap):
                    running.append(self._start(waiting.popleft()))
                ready, _ = ray.wait([part.result for part in running], timeout=POLL_SECONDS)
                for part in [part for part in running if part.result in ready]:
                    running.remove(part)
                    try:
                        results[part.call] = ray.get(part.result)
                        self._leave(part.place, kept=bool(waiting))
                        on_result(part.call, results[part.call])
                    except RayError as error:
                        failed = self._fail(part, error)
                        if describe_disk_error(error) is not None:
                            trouble = error
                        elif isinstance(cause := getattr(error, "cause", None), InputError):
                            trouble = InputError(str(cause))  # without the worker's traceback
                        elif part.failures > self._max_failures:
                            results[part.call] = failed
                        else:
                            on_failure(part.call, failed.reason)
                            waiting.append(part)
                self._watch(running)
                on_wait()
        if trouble is not None:
            raise trouble
        return results

    def _start(self, part: _Part) -> _Part:
        """Submit a part to a free place, or to a new one that it waits for."""
        if self._free:
            part.place = self._free.pop()
        else:
            resources = {name.upper(): amount for name, amount in self._workers.resources.items() if amount}
            part.place = placement_group([resources])
            self._places.append(part.place)
        part.name, part.placed, part.sent, part.killed = f"{part.call}-{part.failures}", False, Sent(), None
        there = PlacementGroupSchedulingStrategy(part.place)
        alive = self._heartbeats.sender(part.name)
        part.result = self._task.options(name=self._name, scheduling_strategy=there).remote(alive, *part.arguments)
        return part

    def _leave(self, place: PlacementGroup | None, *, kept: bool) -> None:
        """Keep a place, and the warm worker in it, for the next part; or give the place back."""
        if kept:
            self._free.append(place)
        else:
            self._places.remove(place)
            remove_placement_group(place)

    def _fail(self, part: _Part, error: RayError) -> Failed:
        """Count a failure, and give back the place, which may be on a lost node."""
        self._leave(part.place, kept=False)
        part.failures += 1
        cause = getattr(error, "cause", None)
        last = f"{type(cause).__name__}: {cause}" if cause else str(error).strip().splitlines()[0]
        return Failed(part.killed or " ".join(last.split()), str(error))

    def _watch(self, running: list[_Part]) -> None:
        """Check the heartbeats of the parts that have a place, and kill workers that hang."""
        for part in running:
            part.placed = part.placed or placement_group_table(part.place)["state"] == "CREATED"
        placed = {part.name: part for part in running if part.placed and part.killed is None}
        for name, part in placed.items():
            sent = self._heartbeats.sent(name)
            if sent.signs > part.sent.signs:
                # The first sign only shows that the worker has started, and one without a report that it waits.
                measured = part.sent.signs > 0 and sent.reports > part.sent.reports
                self._watchdog.record(name, self._watchdog.since(name) if measured else 0.0)
                part.sent = sent
        for name in self._watchdog.silent(placed):
            placed[name].killed = self._watchdog.reason
            remove_placement_group(placed[name].place)

    @contextmanager
    def _cleared(self) -> Iterator[None]:
        """Remove all places and heartbeats after the block."""
        try:
            yield
        finally:
            for place in self._places:
                remove_placement_group(place)
            self._heartbeats.forget()
