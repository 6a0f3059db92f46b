"""The workers by the clock, on made-up sessions whose figures can be told by hand."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tune_s11.hardware import Hardware
from tune_s11.report import timeline
from tune_s11.results import TrialResult
from tune_s11.results.folder import RefitFolder

Make = Callable[..., TrialResult]

GPU = Hardware(device="cuda", precision="bf16", threads=2)
CPU = Hardware(device="cpu", precision="bf16", threads=4)


def test_idle_share_counts_gaps_and_the_wait_for_the_others(make_trial: Make) -> None:
    trials = [
        make_trial(0, [0.5, 0.6], spans=[("vm:1", 0, 10, 1), ("vm:1", 12, 20, 1)]),
        make_trial(1, [0.5], spans=[("vm:2", 0, 5, 1)]),
    ]
    found = timeline.build_timeline(trials)
    assert found is not None
    assert (found.lanes, found.lengths, found.breaks, found.busy) == ([2], [20], [], 23)
    assert found.idle_share == pytest.approx(1 - 23 / 40)
    assert [(bar.trial.number, bar.lane, bar.begin, bar.end) for bar in found.bars] == [(0, 0, 0, 20), (1, 1, 0, 5)]


def test_a_break_between_sessions_is_nobodys_idle_time(make_trial: Make) -> None:
    trials = [
        make_trial(0, [0.5, 0.6], spans=[("vm:1", 100, 110, 1), ("vm:7", 4000, 4010, 1)]),
        make_trial(1, [0.5], spans=[("vm:8", 4002, 4010, 1)]),
    ]
    found = timeline.build_timeline(trials)
    assert found is not None
    assert (found.lanes, found.lengths, found.breaks) == ([1, 2], [10, 10], [3890])
    assert found.idle_share == pytest.approx(1 - 28 / 30)
    assert [(bar.begin, bar.end) for bar in found.bars] == [(0, 10), (10, 20), (12, 20)]


def test_a_pause_of_a_minute_is_idle_time(make_trial: Make) -> None:
    trial = make_trial(0, [0.5, 0.6], spans=[("vm:1", 0, 10, 1), ("vm:1", 70, 80, 1)])
    found = timeline.build_timeline([trial])
    assert found is not None
    assert (found.breaks, found.idle_share) == ([], 0.75)
    assert [(bar.begin, bar.end) for bar in found.bars] == [(0, 10), (70, 80)]


def test_a_process_takes_the_lane_of_the_one_that_died(make_trial: Make) -> None:
    trials = [
        make_trial(0, [0.5], spans=[("vm:1", 0, 30, 1)]),
        make_trial(1, [0.5], spans=[("vm:2", 0, 10, 1)]),
        make_trial(2, [0.5], spans=[("vm:3", 9.5, 30, 1)]),  # the reports' clock has whole seconds
    ]
    found = timeline.build_timeline(trials)
    assert found is not None
    assert found.lanes == [2]
    assert [(bar.trial.number, bar.lane) for bar in found.bars] == [(0, 0), (1, 1), (2, 1)]
    assert found.idle_share == 0


def test_without_spans_there_is_no_timeline(make_trial: Make) -> None:
    trial = make_trial(0, [0.5, 0.6], spans=[("vm:1", 0, 10, 1)])
    assert timeline.without_times([trial]) == [trial]
    assert timeline.build_timeline([make_trial(1, [0.5])]) is None
    assert timeline.without_times([make_trial(2)]) == []


def test_best_so_far_goes_by_the_clock(make_trial: Make) -> None:
    trials = [
        make_trial(0, [0.1, 0.2, 0.3, 0.4, 0.6, 0.5], spans=[("vm:1", 0, 9, 6)]),  # its epochs end every 1.5 s
        make_trial(1, [0.35, 0.0], state="diverged", spans=[("vm:2", 0.5, 4, 2)]),
    ]
    points = timeline.best_so_far(trials, 6)
    assert [point["trial"] for point in points] == ["t0000", "t0001", "t0000", "t0001", "t0000", *["t0000"] * 3]
    assert [point["any"] for point in points] == [0.1, 0.35, 0.35, 0.35, 0.35, 0.4, 0.6, 0.6]
    assert [point["complete"] for point in points] == [None] * 7 + [0.5]
    assert [point["spent"] for point in points] == list(range(1, 9))


def test_cores_count_by_thread_and_a_shared_gpu_once(make_trial: Make) -> None:
    on_cpu = make_trial(0, [0.5], spans=[("vm:1", 0, 1800, 1)], hardware=CPU)
    undated = make_trial(1, [0.5, 0.6], hardware=CPU)
    assert timeline.trials_cost([on_cpu]) == {"core_hours": 2.0, "gpu_hours": 0.0}
    assert timeline.trials_cost([undated])["core_hours"] == pytest.approx(4 * 2 * 1.5 / 3600)
    sharing = [
        make_trial(2, [0.5], spans=[("vm:0", 0, 1800, 1)], hardware=GPU),
        make_trial(3, [0.5], spans=[("vm:0", 900, 2700, 1)], hardware=GPU),
        make_trial(4, [0.5], spans=[("vm:1", 0, 900, 1)], hardware=GPU),
    ]
    assert timeline.trials_cost(sharing) == {"core_hours": 0.0, "gpu_hours": 1.0}


def test_runs_cost_what_their_epochs_took(tmp_path: Path, make_trial: Make) -> None:
    epochs = [asdict(replace(row, seconds=450.0)) for row in make_trial(0, [0.5, 0.6]).rows]
    refits = [RefitFolder(tmp_path / f"seed-{seed}") for seed in (0, 1)]
    for refit in refits:
        refit.path.mkdir()
        (refit.path / "metrics.jsonl").write_text("\n".join(map(json.dumps, epochs)) + '\n{"epoch": 3, "sec')
    assert timeline.runs_cost(refits, CPU) == {"core_hours": 2.0, "gpu_hours": 0.0}
    scores = {"seed": 1, "hardware": GPU.model_dump(), "diverged": False, "raw": 0.5, "ema": 0.6}
    (tmp_path / "seed-1" / "scores.json").write_text(json.dumps(scores))
    assert timeline.runs_cost(refits, CPU) == {"core_hours": 1.0, "gpu_hours": 0.25}
