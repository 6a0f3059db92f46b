"""Parts of a stage on workers that may die or hang: each part is placed, watched, and repeated elsewhere.

What runs beside the trials, a ramp, a cycle, a finalist's run or a refit, is a Ray task in a placement group of its
own. So it is known when it has its place, from when on its worker must give signs of life, even one that hangs before
it has started; and to take the place away kills whatever occupies it, even a process that is frozen.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import ray
from ray import ObjectRef
from ray.exceptions import RayError
from ray.util.placement_group import PlacementGroup, placement_group, placement_group_table, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tune_s11.config import InputError
from tune_s11.hardware import Hardware
from tune_s11.search.failures import Silence
from tune_s11.search.ray_internals import SignsOfLife
from tune_s11.search.workers.cluster import Workers
from tune_s11.storage.disk import disk_trouble

POLL_SECONDS = 2.0

Alive = Callable[[], None]
"""Called by whatever trains, at least once an epoch, as a sign of life."""


class Worker(NamedTuple):
    """What a task is given of the worker that it runs on."""

    hardware: Hardware
    """Active."""
    alive: Alive


class Failed(NamedTuple):
    """What a part that has failed for good has in place of a result."""

    reason: str
    """In one line."""
    traceback: str


@dataclass
class _Part:
    """A part under way.

    Attributes:
        call: Its number.
        arguments: Of the task.
        failures: How often it has failed.
        place: Where it runs.
        placed: Whether Ray has found that place.
        result: What Ray will have of it.
        name: Of this attempt.
        signs: Its worker's signs of life so far.
        killed: Why its worker was killed; None: it was not.
    """

    call: int
    arguments: tuple[Any, ...]
    failures: int = 0
    place: PlacementGroup | None = None
    placed: bool = False
    result: ObjectRef | None = None
    name: str = ""
    signs: int = 0
    killed: str | None = None


class Parts:
    """The parts of one stage.

    Args:
        task: A Ray task, which takes an :data:`Alive` as its first argument.
        name: What Ray is to call it.
        workers: What runs at once.
        silence: Finds those that hang.
        max_failures: How often a part is tried again.
    """

    def __init__(self, task: Any, name: str, workers: Workers, silence: Silence, max_failures: int) -> None:
        self._task, self._name = task, name
        self._workers, self._silence, self._max_failures = workers, silence, max_failures
        self._signs = SignsOfLife()
        self._places: list[PlacementGroup] = []  # all there are
        self._free: list[PlacementGroup] = []  # those in which a part has ended, and its worker is warm

    def run(
        self,
        calls: Iterable[tuple[Any, ...]],
        on_wait: Callable[[], None],
        on_result: Callable[[int, Any], None],
        on_failure: Callable[[int, str], None],
    ) -> list[Any]:
        """Runs all of them.

        Args:
            calls: The other arguments of the task, by part.
            on_wait: Called every other second, and as parts end.
            on_result: Called with the number of a part and its result.
            on_failure: Called with the number of a part that is repeated, and why.

        Returns:
            The results; a :class:`Failed` of a part that has failed too often.

        Raises:
            RayError: A part met something that no repetition mends but the user can, such as a full disk. The others
                have ended.
        """
        waiting = deque(_Part(call, arguments) for call, arguments in enumerate(calls))
        results: list[Any] = [None] * len(waiting)
        running: list[_Part] = []
        trouble: RayError | None = None
        with self._cleared():
            while waiting or running:
                while waiting and (self._workers.cap is None or len(running) < self._workers.cap):
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
                        if _is_for_the_user(error):
                            trouble = error
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
        """Puts a part in a place, or in line for one."""
        if self._free:
            part.place = self._free.pop()
        else:
            resources = {name.upper(): amount for name, amount in self._workers.resources.items() if amount}
            part.place = placement_group([resources])
            self._places.append(part.place)
        part.name, part.placed, part.signs, part.killed = f"{part.call}-{part.failures}", False, 0, None
        there = PlacementGroupSchedulingStrategy(part.place)
        alive = self._signs.giver(part.name)
        part.result = self._task.options(name=self._name, scheduling_strategy=there).remote(alive, *part.arguments)
        return part

    def _leave(self, place: PlacementGroup | None, *, kept: bool) -> None:
        """Keeps a place for the next part, whose worker is warm there, or lets others have it."""
        if kept:
            self._free.append(place)
        else:
            self._places.remove(place)
            remove_placement_group(place)

    def _fail(self, part: _Part, error: RayError) -> Failed:
        """Counts a failure, and takes away the place, which may be on a node that is lost."""
        self._leave(part.place, kept=False)
        part.failures += 1
        cause = getattr(error, "cause", None)
        last = f"{type(cause).__name__}: {cause}" if cause else str(error).strip().splitlines()[0]
        return Failed(part.killed or " ".join(last.split()), str(error))

    def _watch(self, running: list[_Part]) -> None:
        """Hears of the parts that have a place, and kills the workers of those that hang."""
        for part in running:
            part.placed = part.placed or placement_group_table(part.place)["state"] == "CREATED"
        placed = {part.name: part for part in running if part.placed and part.killed is None}
        for name, part in placed.items():
            signs = self._signs.count(name)
            if signs > part.signs:
                # The first one only says that the worker has started.
                self._silence.hear(name, self._silence.since(name) if part.signs else 0.0)
                part.signs = signs
        for name in self._silence.silent(placed):
            placed[name].killed = self._silence.reason
            remove_placement_group(placed[name].place)

    @contextmanager
    def _cleared(self) -> Iterator[None]:
        """Leaves no place and no sign behind."""
        try:
            yield
        finally:
            for place in self._places:
                remove_placement_group(place)
            self._signs.forget()


def _is_for_the_user(error: RayError) -> bool:
    return isinstance(getattr(error, "cause", None), InputError) or disk_trouble(error) is not None
