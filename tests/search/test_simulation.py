"""The event loop keeps workers busy and its order fixed; what it drives is the program's own search."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution

from tune_s11.config import Recipe, SearchSettings
from tune_s11.pruning import SuccessiveHalving
from tune_s11.search.simulation import SearchWithoutRay, run_on_workers
from tune_s11.search.study import Proposals
from tune_s11.search_space import SearchConfig
from tune_s11.training.metrics import EpochMetrics

EPOCHS = 6


@given(
    trials=st.lists(st.lists(st.integers(1, 5), max_size=4), max_size=20),
    workers=st.integers(1, 5),
)
def test_workers_are_busy_until_no_trial_is_left(trials: list[list[int]], workers: int) -> None:
    queue = iter([float(span) for span in spans] for spans in trials)
    started: list[int] = []

    def start(worker: int) -> Iterator[float] | None:
        started.append(worker)
        return None if (spans := next(queue, None)) is None else iter(spans)

    end = run_on_workers(start, workers)
    total, longest = sum(map(sum, trials)), max(map(sum, trials), default=0)
    assert max(total / workers, longest) <= end <= total / workers + longest  # Graham's bound for greedy schedules
    assert set(started) == set(range(workers))
    assert next(queue, None) is None


def test_of_two_events_at_one_time_the_trial_that_started_first_has_the_first() -> None:
    seen: list[str] = []

    def trial(name: str, *spans: float) -> Iterator[float]:
        for span in spans:
            yield span
            seen.append(name)

    trials = iter([trial("a", 2, 2), trial("b", 1, 1, 2), trial("c", 4)])
    assert run_on_workers(lambda _: next(trials, None), 3) == 4
    assert seen == ["b", "a", "b", "a", "b", "c"]


def test_a_trial_without_events_frees_its_worker_at_once() -> None:
    trials = iter([iter([]), iter([3.0]), iter([])])
    assert run_on_workers(lambda _: next(trials, None), 1) == 3


@dataclass
class Steady:
    """A trial whose score is its rate at every epoch."""

    max_lr: float
    rows: list[EpochMetrics] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        return len(self.rows) == EPOCHS

    def advance(self, epoch: int) -> float:
        for number in range(len(self.rows) + 1, epoch + 1):
            self.rows.append(EpochMetrics(number, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, self.max_lr, 0.0, 0.0, False))
        return self.max_lr


@pytest.mark.parametrize("workers", [1, 2])
def test_it_tries_the_first_parameters_and_prunes_by_the_policy(workers: int, tmp_path: Path) -> None:
    started: list[tuple[dict[str, Any], Steady]] = []

    def start(trial: dict[str, Any]) -> Steady:
        started.append((trial, Steady(trial["params"]["max_lr"])))
        return started[-1][1]

    settings = SearchSettings(samples=6, sampler="random", grace=2, factor=2, audit=0)
    config = SearchConfig(Recipe(epochs=EPOCHS, peak_epoch=2), {"max_lr": FloatDistribution(0.1, 0.9)}, settings)
    first = ({"max_lr": 0.9}, {"max_lr": 0.1}, {"max_lr": 0.2})
    policy = SuccessiveHalving(2, 2, EPOCHS)  # rungs 2 and 4
    search = SearchWithoutRay(start, config, Proposals(config.domains, first), policy, tmp_path / "audit.json")
    time = search.run((2.0,) * workers)
    assert [trial["number"] for trial, _ in started] == list(range(6))
    assert [trial["params"]["max_lr"] for trial, _ in started[:3]] == [0.9, 0.1, 0.2]
    assert [len(steady.rows) for _, steady in started[:3]] == [6, 2, 2]  # The best goes all the way, the others do not.
    epochs = sum(len(steady.rows) for _, steady in started)
    assert time == 2.0 * epochs if workers == 1 else 2.0 * epochs / 2 <= time < 2.0 * epochs
