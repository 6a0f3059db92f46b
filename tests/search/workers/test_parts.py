"""Parts of a stage whose workers die or hang, on a Ray that is made up and a clock that jumps."""

import itertools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayTaskError, WorkerCrashedError

from tune_s11.config import InputError
from tune_s11.search import failures
from tune_s11.search.failures import STALL_FIRST, Watchdog
from tune_s11.search.ray_internals import Sent
from tune_s11.search.workers import parts
from tune_s11.search.workers.cluster import Workers
from tune_s11.search.workers.parts import POLL_SECONDS, Failed, Parts

Script = list[Any]
"""What becomes of a part's attempts: a result, an error, ``hangs``, ``slow``, which ends after ten reports, or
``waits``, which gives ten signs of waiting, then none for an hour, and ends."""


class MadeUpRay:
    """A cluster of a few places, in which each attempt at a part does what its script says.

    Attributes:
        room: Parts that run at a time; those beyond wait for a place.
        scripts: By part.
        log: Each attempt with its place, in their order.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.room = 0.0, 2
        self.scripts: list[Script] = []
        self.log: list[tuple[int, int]] = []
        self._running: dict[int, Any] = {}
        self._numbers, self._places = itertools.count(), itertools.count()
        self._there: list[int] = []
        self._heartbeats: dict[str, Sent] = {}
        monkeypatch.setattr(failures.time, "monotonic", lambda: self.now)
        for name, made_up in {
            "ray": SimpleNamespace(wait=self.wait, get=self.get),
            "placement_group": self.placement_group,
            "placement_group_table": lambda place: {"state": "CREATED" if self._is_placed(place) else "PENDING"},
            "remove_placement_group": self.remove,
            "PlacementGroupSchedulingStrategy": lambda place: place,
            "Heartbeats": lambda: SimpleNamespace(
                sender=lambda part: part,
                sent=lambda part: self._heartbeats.get(part, Sent()),
                forget=self._heartbeats.clear,
            ),
        }.items():
            monkeypatch.setattr(parts, name, made_up)

    def run(self, *scripts: Script, cap: int | None = 2, stall: float | None = None, again: int = 2) -> list[Any]:
        self.scripts = list(scripts)
        self.told: list[tuple[int, Any]] = []
        self.repeated: list[tuple[int, str]] = []
        task = SimpleNamespace(options=lambda name, scheduling_strategy: self._task(scheduling_strategy))
        stage = Parts(task, "task", Workers(2, 1, 0, cap), Watchdog(stall), again)
        calls = [(number,) for number in range(len(scripts))]
        try:
            return stage.run(
                calls,
                lambda: None,
                lambda *told: self.told.append(told),
                lambda call, reason: self.repeated.append((call, reason)),
            )
        finally:
            assert (self._there, self._heartbeats) == ([], {}), "something is left behind"

    def placement_group(self, bundles: list[dict[str, float]]) -> int:
        assert bundles == [{"CPU": 1}]
        self._there.append(next(self._places))
        return self._there[-1]

    def remove(self, place: int) -> None:
        if place in self._there:
            self._there.remove(place)
        for attempt in self._running.values():
            if attempt.place == place and not attempt.ended:
                attempt.ended, attempt.result = True, WorkerCrashedError()

    def _is_placed(self, place: int) -> bool:
        return place in self._there[: self.room]

    def _task(self, place: int) -> Any:
        def remote(name: str, call: int) -> int:
            number = next(self._numbers)
            self.log.append((call, place))
            script = self.scripts[call].pop(0)
            self._running[number] = SimpleNamespace(name=name, place=place, script=script, ended=False, result=None)
            return number

        return SimpleNamespace(remote=remote)

    def wait(self, results: list[int], timeout: float) -> tuple[list[int], list[int]]:
        assert timeout == POLL_SECONDS
        self.now += timeout
        for number in results:
            self._go_on(self._running[number])
        ended = [number for number in results if self._running[number].ended]
        return ended[:1], ended[1:]

    def _go_on(self, attempt: Any) -> None:
        if attempt.ended or not self._is_placed(attempt.place):
            return
        signs, reports = self._heartbeats.get(attempt.name, Sent())
        if attempt.script == "slow":
            self._heartbeats[attempt.name] = Sent(signs + 1, reports + 1)
            if reports == 9:
                attempt.ended, attempt.result = True, "slow"
        elif attempt.script == "waits":
            if signs <= 10:
                self._heartbeats[attempt.name] = Sent(signs + 1, 1)
                attempt.since = self.now
            elif self.now > attempt.since + 3600:
                attempt.ended, attempt.result = True, "waits"
        elif attempt.script != "hangs":
            attempt.ended, attempt.result = True, attempt.script

    def get(self, number: int) -> Any:
        if isinstance(result := self._running[number].result, Exception):
            raise result
        return result


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[MadeUpRay]:
    return MadeUpRay(monkeypatch)


def raised(cause: Exception) -> RayTaskError:
    return RayTaskError("task", f"Traceback\n{type(cause).__name__}: {cause}", cause)


def test_places_whose_worker_is_well_are_used_again(ray: MadeUpRay) -> None:
    assert ray.run(["a"], ["b"], ["c"], ["d"], cap=1) == ["a", "b", "c", "d"]
    assert [place for _, place in ray.log] == [0, 0, 0, 0]
    assert ray.told == [(0, "a"), (1, "b"), (2, "c"), (3, "d")]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (lambda: WorkerCrashedError(), "The worker died unexpectedly while executing this task."),
        (lambda: raised(MemoryError("no room\nfor more")), "MemoryError: no room for more"),
    ],
)
def test_a_part_that_fails_is_repeated_in_another_place(
    ray: MadeUpRay, error: Callable[[], Exception], reason: str
) -> None:
    assert ray.run([error(), error(), "a"], ["b"]) == ["a", "b"]
    assert [call for call, _ in ray.repeated] == [0, 0]
    assert all(why.startswith(reason) for _, why in ray.repeated)
    places = [place for call, place in ray.log if call == 0]
    assert len(set(places)) == 3


def test_a_part_that_fails_for_good_leaves_the_others_alone(ray: MadeUpRay) -> None:
    first, failed, last = ray.run(["a"], [raised(ValueError("x")) for _ in range(3)], ["c"])
    assert (first, last) == ("a", "c")
    assert failed == Failed("ValueError: x", failed.traceback)
    assert "Traceback" in failed.traceback
    assert [call for call, _ in ray.told] == [0, 2]
    assert len(ray.repeated) == 2


def test_a_silent_worker_is_killed_even_before_its_first_sign(ray: MadeUpRay) -> None:
    assert ray.run(["hangs", "a"], ["slow"], stall=10) == ["a", "slow"]
    assert ray.repeated == [(0, "its worker reported nothing for 10 s and was killed (--stall-timeout)")]


def test_without_a_timeout_the_longest_report_tells(ray: MadeUpRay) -> None:
    assert ray.run(["hangs", "a"]) == ["a"]
    assert STALL_FIRST < ray.now <= STALL_FIRST + 6 * POLL_SECONDS
    began = ray.now
    assert ray.run(["slow"], ["hangs", "b"]) == ["slow", "b"]
    assert failures.STALL_LEAST < ray.now - began < STALL_FIRST / 2


def test_signs_of_waiting_do_not_tell_how_long_a_report_takes(ray: MadeUpRay) -> None:
    """As of a part that begins while its storage is unreachable, and whose epochs are long."""
    assert ray.run(["waits"]) == ["waits"]
    assert ray.repeated == []
    assert ray.now > failures.STALL_LEAST


def test_who_waits_for_a_place_is_not_silent(ray: MadeUpRay) -> None:
    ray.room = 1
    assert ray.run(["slow"], ["slow"], ["a"], cap=None, stall=5) == ["slow", "slow", "a"]
    assert len({place for _, place in ray.log}) == 3
    assert ray.repeated == []


def test_what_the_user_has_to_mend_is_raised_once_the_others_have_ended(ray: MadeUpRay) -> None:
    full, away = OSError(28, "No space left on device"), InputError("the storage is away")
    for mended, error, line in ((full, RayTaskError, "No space left"), (away, InputError, "^the storage is away$")):
        with pytest.raises(error, match=line):
            ray.run([raised(mended)], ["slow"])
        assert ray.told == [(1, "slow")]
        assert ray.repeated == []


def test_after_that_no_other_part_is_started(ray: MadeUpRay) -> None:
    with pytest.raises(InputError, match="the storage is away"):
        ray.run([raised(InputError("the storage is away"))], ["slow"], ["a"], ["b"])
    assert ray.told == [(1, "slow")]


def test_an_interruption_leaves_no_place_behind(ray: MadeUpRay, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(results: list[int], timeout: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(parts.ray, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ray.run(["a"], ["b"])
