"""A driver killed at random moments, once or ten times: the search ends as if nothing had been."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.trial import TrialState

from tune_s11.data import load_dataset
from tune_s11.pruning import SuccessiveHalving
from tune_s11.results import SearchResult, TrialResult, load_search
from tune_s11.search.audit import Audit
from tune_s11.search.study import open_study
from tune_s11.search.tune.scheduler import PolicyScheduler
from tune_s11.training.trainer import Trainer, TrainingData

pytestmark = pytest.mark.timeout(1800)  # for a busy machine

SEED = 20261124
SAMPLES, EPOCHS, GRACE, NAME = 8, 120, 30, "killed"
TIMES = {"seconds": 0.0, "images_per_second": 0.0}


class Witness:
    """A policy and its verdicts, which remember by what each trial was judged at each rung.

    Args:
        policy: What decides.

    Attributes:
        judged: By rung and trial its epoch and score when it was recorded there.
    """

    def __init__(self, policy: SuccessiveHalving) -> None:
        self._rungs = policy.start()
        self.judged: dict[int, dict[Hashable, tuple[int, float]]] = {rung: {} for rung in policy.rungs}

    def start(self) -> "Witness":
        return self

    def keeps(self, trial: Hashable, epoch: int, score: float) -> bool:
        kept = self._rungs.keeps(trial, epoch, score)
        for rung, judged in self.judged.items():
            if trial in self._rungs.trials(rung):
                judged.setdefault(trial, (epoch, score))
        return kept


def ended(search: SearchResult) -> dict[int, TrialResult]:
    return {trial.number: trial for trial in search.trials if trial.state in {"complete", "pruned", "diverged"}}


def assert_rungs_are_in_the_rows(search: SearchResult) -> None:
    """What the next session will know of each rung is each trial's score at that very epoch."""
    policy = search.config.policy
    assert isinstance(policy, SuccessiveHalving)
    assert policy.rungs == (GRACE, 2 * GRACE)
    witness = Witness(policy)
    PolicyScheduler(witness, Audit(Path("/nowhere"), search.config), search.trials)  # type: ignore[arg-type]
    for rung, judged in witness.judged.items():
        reached = [trial for trial in search.trials if trial.epoch >= rung]
        assert judged == {trial.number: (rung, trial.rows[rung - 1].score) for trial in reached}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(1, marks=pytest.mark.landing, id="once"),
        pytest.param(10, marks=pytest.mark.soak, id="ten times"),
    ],
)
def search(program: Any, faults: Any, request: pytest.FixtureRequest) -> Iterator[SearchResult]:
    """After so many kills, finished by one more session."""
    print(f"seed {SEED}")
    rng, path = random.Random(SEED), program.storage / NAME
    long = ("--set", f"epochs={EPOCHS}", "--set", f"search.grace={GRACE}", "--set", "search.audit=0")
    anew = (*faults.arguments, "--name", NAME, "--samples", str(SAMPLES), *long)
    before: dict[int, TrialResult] = {}
    for kill in range(10 - request.param, 10):
        running = program.start(*(("--resume", NAME) if path.exists() else anew))
        reported = faults.reports(NAME)
        if kill >= 2:  # the first two meet it while it starts, the next two its workers, the others its trials
            program.wait_for(lambda: "dashboard" in program.output.read_text())
        if kill >= 4:
            faults.wait_for_report(NAME, reported)
        time.sleep(rng.uniform(0.0, 5.0))
        assert running.poll() is None, program.output.read_text()
        running.kill()
        running.wait()
        if not path.exists():
            print(f"kill {kill}: before anything was written")
            continue
        search = load_search(NAME, program.storage)
        assert_rungs_are_in_the_rows(search)
        for number, trial in before.items():
            assert search.trials[number] == trial
        before = ended(search)
        print(f"kill {kill}: {len(before)} trials ended, {len(search.trials) - len(before)} under way")
    assert len(before) < SAMPLES
    program.run("--resume", NAME)
    search = load_search(NAME, program.storage)
    for number, trial in before.items():
        assert search.trials[number] == trial
    yield search
    shutil.rmtree(path)


def test_each_trial_is_there_once_and_no_epoch_twice(search: SearchResult) -> None:
    assert len(search.trials) == len(ended(search)) == SAMPLES
    for trial in search.trials:
        assert [epoch.epoch for epoch in trial.rows] == list(range(1, trial.epoch + 1))
    states = Counter(trial.state for trial in open_study(search.path / "study.log", search.config.search).trials)
    assert states.keys() <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert states.total() == SAMPLES
    assert_rungs_are_in_the_rows(search)
    assert search.refit is not None


def test_trials_stop_at_rungs_alone_and_never_the_best(search: SearchResult) -> None:
    rungs = search.config.policy.rungs
    assert all(trial.epoch in {*rungs, EPOCHS} or trial.state == "diverged" for trial in search.trials)
    for epoch in rungs:
        there = [trial for trial in search.trials if trial.epoch >= epoch]
        assert max(there, key=lambda trial: trial.rows[epoch - 1].score).epoch > epoch


def test_what_was_taken_up_again_equals_what_was_never_cut(search: SearchResult) -> None:
    resumed = [trial for trial in search.trials if len(list(search.path.glob(f"trials/{trial.name}*"))) > 1]
    print(f"{len(resumed)} trials were resumed")
    assert resumed
    data = TrainingData.with_validation(
        load_dataset(search.config.recipe), search.config.recipe, search.config.search.seed
    )
    for trial in resumed:
        assert trial.hardware is not None
        torch.set_num_threads(trial.hardware.threads)
        trainer = Trainer(trial.recipe, data, trial.hardware, trial.seed)
        for epoch in trial.rows:
            assert replace(trainer.run_epoch(), **TIMES) == replace(epoch, **TIMES)


def test_it_can_be_extended_with_fewer_workers(search: SearchResult, program: Any) -> None:
    done = program.run("--resume", NAME, "--samples", str(SAMPLES + 1), "--workers", "1")
    assert "; 1 worker, each of" in done.stdout
    longer = load_search(NAME, program.storage)
    assert longer.trials[:SAMPLES] == search.trials
    assert len(ended(longer)) == len(longer.trials) == SAMPLES + 1
