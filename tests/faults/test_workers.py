"""Workers that are killed, hang, run out of memory or raise: their trials go on, or end with a reason."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from tune_s11.results import SearchResult, load_search
from tune_s11.search.study import open_study
from tune_s11.search.tune.trainable import CHECKPOINT_SECONDS, REPORT_SECONDS

pytestmark = pytest.mark.timeout(1800)  # for a busy machine

SEED = 20261124


def epochs_in_order(search: SearchResult, folder: str) -> list[list[int]]:
    """The epochs of each report of a trial's attempt, as they came."""
    lines = (search.path / "trials" / folder / "result.json").read_text().splitlines()
    return [[row["epoch"] for row in json.loads(line)["epochs"]] for line in lines]


def assert_all_ended(search: SearchResult, samples: int, *, failed: int = 0) -> None:
    """Each trial has ended once, as the study has it too, and no epoch is counted twice."""
    assert [trial.number for trial in search.trials] == list(range(samples))
    assert sum(trial.state == "failed" for trial in search.trials) == failed
    assert all(trial.state in {"complete", "pruned", "diverged", "failed"} for trial in search.trials)
    for trial in search.trials:
        assert [epoch.epoch for epoch in trial.rows] == list(range(1, trial.epoch + 1))
    told = open_study(search.path / "study.log", search.config.search).trials
    assert [it.state for it in told] == [
        {"complete": TrialState.COMPLETE, "failed": TrialState.FAIL}.get(trial.state, TrialState.PRUNED)
        for trial in search.trials
    ]


def test_a_trial_whose_worker_is_killed_goes_on(program: Any, faults: Any) -> None:
    faults.arm("kill")
    done = program.run(*faults.faulty, "--name", "kill", "--samples", "2", "--no-asha")
    assert faults.struck("kill")
    assert done.stderr == ""
    assert "resumes from its last checkpoint: at epoch 0, The actor is dead" in done.stdout
    assert_all_ended(load_search("kill", program.storage), 2)


@pytest.mark.slow
def test_killed_between_trials_and_out_of_memory(program: Any, faults: Any) -> None:
    for fault in ("kill between trials", "kill in a reset", "out of memory"):
        faults.arm(fault)
    done = program.run(*faults.faulty, "--name", "memory", "--samples", "3", "--no-asha")
    assert faults.struck("kill between trials")
    assert faults.struck("kill in a reset")
    assert faults.struck("out of memory")
    assert "MemoryError: no room for another layer" in done.stdout
    assert_all_ended(load_search("memory", program.storage), 3)


@pytest.mark.slow
def test_workers_that_hang_are_killed(program: Any, faults: Any, started: Callable[..., Any]) -> None:
    """One waits for something that never comes, one is frozen by a signal that it cannot even answer."""
    faults.arm("hang")
    long = ("--samples", "3", "--stall-timeout", "40", "--set", "epochs=60", "--set", "search.grace=30")
    running = started(*faults.faulty, "--name", "hanging", *long)
    trials = program.storage / "hanging" / "trials"
    program.wait_for(lambda: bool(faults.struck("hang")) and any(trials.glob("t*/result.json")))
    (frozen,) = (pid for pid in faults.workers(running.pid) if pid != faults.struck("hang"))
    os.kill(frozen, signal.SIGSTOP)
    assert running.wait(timeout=500) == 0, program.output.read_text()
    output = program.output.read_text()
    assert output.count("its worker reported nothing for 40 s and was killed (--stall-timeout)") >= 2
    assert not Path(f"/proc/{frozen}").exists()
    assert_all_ended(load_search("hanging", program.storage), 3)


@pytest.mark.slow
def test_a_worker_that_dies_again_and_again_fails_alone(program: Any, faults: Any) -> None:
    """Up to ``max_failures``, then with its reason; the other trials go on."""
    faults.arm("kill")
    name = ("--name", "doomed", "--samples", "3", "--set", "search.max_failures=0")
    done = program.run(*faults.faulty, *name)
    search = load_search("doomed", program.storage)
    assert_all_ended(search, 3, failed=1)
    (failed,) = (trial for trial in search.trials if trial.state == "failed")
    assert failed.error is not None
    assert "worker process has died" in failed.error
    assert f"{failed.name} failed at epoch 0/6: The actor is dead" in done.stdout


@pytest.mark.slow
def test_a_model_that_raises_ends_the_search_early(program: Any, faults: Any) -> None:
    faults.arm("raise")
    try:
        refused = program.run(
            *faults.faulty, "--name", "raising", "--samples", "40", "--set", "search.max_failures=1", code=1
        )
    finally:
        faults.disarm("raise")
    assert refused.stderr.splitlines()[-1].startswith("error: 3 trials in a row have failed, most recently t000")
    assert refused.stderr.endswith(": ValueError: too narrow by far\n")
    assert "Traceback" not in refused.stdout + refused.stderr
    search = load_search("raising", program.storage)
    assert {trial.error for trial in search.trials if trial.state == "failed"} == {"ValueError: too narrow by far"}
    assert len(search.trials) <= 5
    program.run("--resume", "raising", "--samples", "6")  # mended, it goes on
    assert_all_ended(load_search("raising", program.storage), 6, failed=3)


@pytest.mark.soak
def test_twenty_workers_killed_at_random(program: Any, faults: Any, started: Callable[..., Any]) -> None:
    print(f"seed {SEED}")
    rng, kills, name = random.Random(SEED), 20, "massacre"
    long = ("--set", "epochs=220", "--set", "search.grace=40", "--set", "search.audit=0")
    limits = ("--samples", "12", "--set", "search.max_failures=20")
    running = started(*faults.arguments, "--name", name, *long, *limits)
    victims: list[int] = []
    while len(victims) < kills:
        if rng.random() < 0.5:  # else it meets workers that start
            faults.wait_for_report(name, faults.reports(name))
        time.sleep(rng.uniform(0.0, 2.0))
        program.wait_for(lambda: bool(faults.workers(running.pid)))
        victims.append(rng.choice(faults.workers(running.pid)))
        os.kill(victims[-1], signal.SIGKILL)
    assert running.wait(timeout=1500) == 0, program.output.read_text()
    assert len(victims) == kills
    search = load_search(name, program.storage)
    assert_all_ended(search, 12)
    lost = [_lost_seconds(search, trial.name) for trial in search.trials]
    print(f"{kills} workers killed, {sum(map(len, lost))} trials set back, {sum(map(sum, lost)):.1f} s lost in all")
    for seconds in (one for of_trial in lost for one in of_trial):
        assert seconds <= CHECKPOINT_SECONDS + 2 * REPORT_SECONDS + _longest_report(search)


def _lost_seconds(search: SearchResult, folder: str) -> list[float]:
    """For each time that a trial was set back, the training time of the reported epochs that it ran again."""
    lines = (search.path / "trials" / folder / "result.json").read_text().splitlines()
    known: dict[int, float] = {}
    lost = []
    for report in map(json.loads, lines):
        if (first := report["epochs"][0]["epoch"]) in known:
            lost.append(sum(seconds for epoch, seconds in known.items() if epoch >= first))
            known = {epoch: seconds for epoch, seconds in known.items() if epoch < first}
        known |= {row["epoch"]: row["seconds"] for row in report["epochs"]}
    return lost


def _longest_report(search: SearchResult) -> float:
    return max(span.end - span.begin for trial in search.trials for span in trial.spans)
