"""When a worker counts as hanging, and when a search as one in which nothing works."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tune_s11.results import last_error
from tune_s11.search import failures
from tune_s11.search.callbacks import failures as callbacks
from tune_s11.search.callbacks.failures import FailureLimit, StallWatch
from tune_s11.search.failures import SearchFailedError


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.killed: list[str] = []
        monkeypatch.setattr(failures.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(callbacks.ray, "kill", self.killed.append)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def trial(folder: Path, number: int = 0, worker: str | None = "worker") -> Any:
    file = folder / "error.txt"
    file.write_text("The actor is dead\n")
    state = SimpleNamespace(ray_actor=worker)
    return SimpleNamespace(
        trial_id=f"id{number}", config={"number": number}, temporary_state=state, error_file=str(file)
    )


def report(watch: StallWatch, of: Any, seconds: float) -> None:
    watch.on_trial_result(0, [], of, {"time_this_iter_s": seconds})


def test_silence_is_counted_from_the_last_word_and_kills_once(clock: Clock, tmp_path: Path) -> None:
    watch, silent = StallWatch(30, 0.0), trial(tmp_path)
    idle = trial(tmp_path, 1, worker=None)
    watch.on_step_end(0, [silent, idle])
    for word in (lambda: report(watch, silent, 5.0), lambda: watch.on_trial_save(0, [], silent)):
        clock.now += 29
        watch.on_step_end(0, [silent, idle])
        word()
    clock.now += 29
    watch.on_step_end(0, [silent, idle])
    assert clock.killed == []
    for _ in range(2):
        clock.now += 2
        watch.on_step_end(0, [silent, idle])
    assert clock.killed == ["worker"]
    watch.on_trial_recover(0, [], silent)
    assert last_error(tmp_path / "error.txt") == "its worker reported nothing for 30 s and was killed (--stall-timeout)"


def test_a_new_worker_begins_with_a_clean_slate(clock: Clock, tmp_path: Path) -> None:
    watch, again = StallWatch(30, 0.0), trial(tmp_path)
    watch.on_step_end(0, [again])
    clock.now += 31
    watch.on_step_end(0, [again])
    again.temporary_state.ray_actor = None
    watch.on_trial_recover(0, [], again)
    watch.on_step_end(0, [again])
    again.temporary_state.ray_actor = "another"
    clock.now += 31
    watch.on_step_end(0, [again])
    assert clock.killed == ["worker"]
    clock.now += 31
    watch.on_step_end(0, [again])
    assert clock.killed == ["worker", "another"]


def test_looks_are_a_second_apart(clock: Clock, tmp_path: Path) -> None:
    watch, silent = StallWatch(0.5, 0.0), trial(tmp_path)
    watch.on_step_end(0, [silent])
    clock.now += 0.9
    watch.on_step_end(0, [silent])
    assert clock.killed == []
    clock.now += 0.1
    watch.on_step_end(0, [silent])
    assert clock.killed == ["worker"]


def test_a_failure_of_another_kind_keeps_its_reason(tmp_path: Path) -> None:
    failed = trial(tmp_path)
    StallWatch(30, 0.0).on_trial_error(0, [], failed)
    assert last_error(tmp_path / "error.txt") == "The actor is dead"


@pytest.mark.parametrize(("workers", "limit"), [(1, 3), (2, 3), (8, 8)])
def test_failures_in_a_row_end_the_search(tmp_path: Path, workers: int, limit: int) -> None:
    failed, counted = trial(tmp_path, 7), FailureLimit(workers)
    for _ in range(limit - 1):
        counted.on_trial_error(0, [], failed)
    counted.on_trial_complete(0, [], trial(tmp_path, 8))
    for _ in range(limit - 1):
        counted.on_trial_error(0, [], failed)
    counted.on_step_end(0, [])
    counted.on_trial_error(0, [], failed)
    with pytest.raises(
        SearchFailedError, match=f"{limit} trials in a row have failed, most recently t0007: The actor is"
    ):
        counted.on_step_end(0, [])


def test_nodes_that_join_allow_for_as_many_failures_as_they_have_workers(tmp_path: Path) -> None:
    workers, counted = [trial(tmp_path, number) for number in range(5)], FailureLimit(1)
    counted.on_trial_start(0, [*workers, trial(tmp_path, 5, worker=None)], workers[-1])
    for failed in workers[:4]:
        counted.on_trial_error(0, workers, failed)
    counted.on_step_end(0, workers)
    counted.on_trial_error(0, workers, workers[4])
    with pytest.raises(SearchFailedError, match="5 trials in a row"):
        counted.on_step_end(0, workers)
