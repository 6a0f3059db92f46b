"""A forecast reckons with ASHA's own rungs, and a budget leaves time for what comes after the trials."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_s11.config import Recipe, RefitChanges, SearchSettings
from tune_s11.search import forecast as forecast_module
from tune_s11.search.forecast import MARGIN, Forecast, Work, simulate_search
from tune_s11.search.workers.cluster import Workers
from tune_s11.search.workers.executor import Executor
from tune_s11.search.workers.timing import Timing
from tune_s11.search_space import SearchConfig

REPORT = 8.0
PACE = Timing(warm_up=2.0, begin=1.0, step=0.1, evaluation=0.5, steps=10, memory=1, gpu_memory=0)


def forecast(finalists: tuple[float, ...] = (30.0,)) -> Forecast:
    spread = (100.0, 90.0, 110.0)
    expected = len(finalists) - 1
    return Forecast(5.0, 10.0, spread, spread, 10, 12, finalists, 0.0, 20.0, REPORT, PACE, PACE, expected)


def config(epochs: int = 24, **settings: Any) -> SearchConfig:
    return SearchConfig(Recipe(epochs=epochs, peak_epoch=epochs / 2), {}, SearchSettings(**settings), RefitChanges())


@given(samples=st.integers(1, 30), slots=st.integers(1, 8), epochs=st.integers(1, 30))
def test_without_asha_workers_take_turns(samples: int, slots: int, epochs: int) -> None:
    search = config(epochs, scheduler="none")
    trained, seconds = simulate_search(search, samples, slots, begin=1.0, epoch=2.0, seed=0)
    assert trained == samples * epochs
    assert seconds == pytest.approx(math.ceil(samples / slots) * (1.0 + 2.0 * epochs))


@given(
    samples=st.integers(1, 40),
    slots=st.integers(1, 8),
    grace=st.integers(1, 12),
    factor=st.floats(1.5, 4.0),
    audit=st.sampled_from([0.0, 0.05, 0.3]),
    seed=st.integers(0, 5),
)
def test_rungs_save_epochs_and_never_time_beyond_them(
    samples: int, slots: int, grace: int, factor: float, audit: float, seed: int
) -> None:
    search = config(samples=samples, grace=grace, factor=factor, audit=audit)
    trained, seconds = simulate_search(search, samples, slots, begin=1.0, epoch=2.0, seed=seed)
    assert samples * search.policy.rungs[0] <= trained <= samples * 24
    assert trained >= 24  # the first at each rung continues
    assert seconds >= (samples + 2.0 * trained) / slots - 1e-6
    assert seconds <= samples + 2.0 * trained + 1e-6


def test_many_trials_come_near_the_greatest_saving() -> None:
    search = config(audit=0.0)
    trained = np.mean([simulate_search(search, 400, 8, 0.0, 1.0, seed)[0] for seed in range(5)])
    saved = 400 * 24 / trained
    greatest = search.policy.greatest_saving
    assert 0.95 * greatest < saved < 1.02 * greatest


def test_an_audit_costs_epochs() -> None:
    one, other = (
        np.mean([simulate_search(config(audit=audit), 64, 4, 0.0, 1.0, seed)[0] for seed in range(10)])
        for audit in (0.0, 0.2)
    )
    assert one < other


def test_what_a_search_takes() -> None:
    told = forecast()
    assert told.total == 5 + 10 + 100 + 30 + 20 + REPORT
    assert told.least == pytest.approx(10 + (1 + 12 * 1.5) + MARGIN * (50 + REPORT))
    by_room = forecast(finalists=(0.0, 0.0, 20.0, 30.0))
    assert by_room.total == told.total
    assert by_room.least == pytest.approx(told.least - MARGIN * 30)  # after one trial there is no room for any
    assert [by_room.after_trials(room) - 20 - REPORT for room in (0, 2, 3, 4)] == [0.0, 20.0, 30.0, 30.0]
    assert "  epochs    120 without pruning, about 100 with it (90 to 110), 1.5 s each" in told.lines()
    fewer = replace(by_room, expected=1)  # trials that train more than expected make room for more
    assert fewer.total == told.total - 30
    assert fewer.after_trials(3) == by_room.after_trials(3)
    assert "finalists" not in fewer.lines()[2]
    assert "finalists" in told.lines()[2]
    assert "finalists" not in forecast(finalists=(0.0,)).lines()[2]


def test_memory_is_that_of_the_larger_of_trial_and_refit() -> None:
    small, large = (replace(PACE, memory=size, gpu_memory=2 * size) for size in (10**9, 3 * 10**9))
    for trial, refit in ((small, large), (large, small)):
        told = replace(forecast(), trial=trial, refit=refit)
        assert told.lines()[-1] == "  memory    3.00 GB a worker, 6.00 GB of its GPU"
    assert "GPU" not in forecast().lines()[-1]


def told_of(
    monkeypatch: pytest.MonkeyPatch, gpus: float, *, compiled: bool = False, samples: int = 2, finalists: int = 2
) -> Forecast:
    """Of one worker with two ramps, two finalists and two refits to come; its processes start in 7 seconds."""
    monkeypatch.setattr(forecast_module, "start_all", lambda executor: 7.0)
    monkeypatch.setattr(forecast_module, "ray", SimpleNamespace(put=lambda images: images))
    monkeypatch.setattr(
        forecast_module,
        "time_workers",
        lambda *_, compiled=False: replace(PACE, warm_up=30.0, step=0.05) if compiled else PACE,
    )
    search = config(4, samples=samples, scheduler="none", lr_range_seeds=2, lr_range_steps=20, finalist_seeds=2)
    nothing: Any = SimpleNamespace(validation=(), test=())
    inputs: Any = SimpleNamespace(
        recipe=search.recipe, refit_recipe=search.recipe, data=nothing, dataset=nothing, refit_data=lambda: nothing
    )
    executor, work = (
        Executor(Workers(1, 1, gpus, 1), "auto"),
        Work(samples=samples, ramps=2, finalists=finalists, refits=2, lengths=(2, 3)),
    )
    return forecast_module.forecast(executor, search, inputs, nothing, work, 3.0, compiled=compiled)


def test_on_a_gpu_each_task_has_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ready, ramp, run = 7.0 + PACE.warm_up, PACE.begin + 20 * PACE.step, PACE.run(4)
    cpu, gpu = told_of(monkeypatch, 0.0), told_of(monkeypatch, 1.0)
    assert cpu.start == 3.0 + 7.0 + PACE.warm_up
    assert (cpu.range_test, gpu.range_test) == (ready + 2 * ramp, 2 * (ready + ramp))
    assert cpu.finalists == (0.0, 0.0, 4 * run)  # two seeds each
    assert gpu.finalists == (0.0, 0.0, 4 * (ready + run))
    assert cpu.expected == 2
    surprised = told_of(monkeypatch, 0.0, samples=3, finalists=0)
    assert surprised.expected == 0
    assert surprised.finalists == (0.0, 0.0, 4 * run, 6 * run)  # time for each number that the trials may make room for
    lengths = 2 * (PACE.run(2) + PACE.run(3))  # two seeds each
    assert (cpu.lengths, gpu.lengths) == (lengths, lengths + 4 * ready)
    assert (cpu.refits, gpu.refits) == (ready + 2 * run, 2 * (ready + run))
    assert cpu.trials == gpu.trials


def test_only_trials_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, compiled = told_of(monkeypatch, 1.0), told_of(monkeypatch, 1.0, compiled=True)
    assert compiled.after_trials() == plain.after_trials()
    assert compiled.range_test == plain.range_test
    assert compiled.start - plain.start == pytest.approx(28.0)
    assert plain.trials[0] - compiled.trials[0] == pytest.approx(2 * 4 * 10 * 0.05)


def test_a_dry_run_writes_nothing(program) -> None:  # type: ignore[no-untyped-def]
    done = program.run("--space", str(program.space), "--name", "dry", "--dry-run")
    assert "without pruning, about" in done.stdout
    assert done.stdout.endswith("nothing was started (--dry-run)\n")
    assert not (program.storage / "dry").exists()
