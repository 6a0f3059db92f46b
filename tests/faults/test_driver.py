"""A driver killed at ten random moments: the search ends as if nothing had been."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.trial import TrialState

from tune_s11.config import SearchSettings
from tune_s11.data import load_dataset
from tune_s11.results import SCORE, SearchResult, TrialResult, load_search
from tune_s11.search.audit import Audit
from tune_s11.search.scheduler import RememberingASHA
from tune_s11.search.study import open_study
from tune_s11.trainer import Trainer, TrainingData

pytestmark = pytest.mark.timeout(1800)  # for a busy machine

SEED = 20261124
SAMPLES, EPOCHS, GRACE, NAME = 8, 120, 30, "killed"
TIMES = {"seconds": 0.0, "images_per_second": 0.0}


def ended(search: SearchResult) -> dict[int, TrialResult]:
    return {trial.number: trial for trial in search.trials if trial.state in {"complete", "pruned", "diverged"}}


def assert_rungs_are_in_the_rows(search: SearchResult) -> None:
    """What the next session will know of each rung is each trial's score at that very epoch."""
    settings: SearchSettings = search.config.search
    scheduler = RememberingASHA(settings, EPOCHS, Audit(Path("/nowhere"), settings), search.trials)
    for epoch, recorded in scheduler._brackets[0]._rungs:
        reached = [trial for trial in search.trials if trial.epoch >= epoch]
        assert recorded == {trial.name: trial.rows[int(epoch) - 1][SCORE] for trial in reached}


@pytest.fixture(scope="module")
def search(program: Any, faults: Any) -> Iterator[SearchResult]:
    """After ten kills, finished by an eleventh session."""
    print(f"seed {SEED}")
    rng, path = random.Random(SEED), program.storage / NAME
    long = ("--set", f"epochs={EPOCHS}", "--set", f"search.grace={GRACE}", "--set", "search.audit=0")
    anew = (*faults.arguments, "--name", NAME, "--samples", str(SAMPLES), *long)
    before: dict[int, TrialResult] = {}
    for kill in range(10):
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


@pytest.mark.slow
def test_each_trial_is_there_once_and_no_epoch_twice(search: SearchResult) -> None:
    assert len(search.trials) == len(ended(search)) == SAMPLES
    for trial in search.trials:
        assert [row["epoch"] for row in trial.rows] == list(range(1, trial.epoch + 1))
    states = Counter(trial.state for trial in open_study(search.path / "study.log", search.config.search).trials)
    assert states.keys() <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert states.total() == SAMPLES
    assert_rungs_are_in_the_rows(search)
    assert search.refit is not None


@pytest.mark.slow
def test_trials_stop_at_rungs_alone_and_never_the_best(search: SearchResult) -> None:
    rungs = search.config.search.rung_epochs(EPOCHS)
    assert all(trial.epoch in {*rungs, EPOCHS} or trial.state == "diverged" for trial in search.trials)
    for epoch in rungs:
        there = [trial for trial in search.trials if trial.epoch >= epoch]
        assert max(there, key=lambda trial: trial.rows[epoch - 1][SCORE]).epoch > epoch


@pytest.mark.slow
def test_what_was_taken_up_again_equals_what_was_never_cut(search: SearchResult) -> None:
    resumed = [trial for trial in search.trials if len(list(search.path.glob(f"trials/{trial.name}*"))) > 1]
    print(f"{len(resumed)} trials were taken up again")
    assert resumed
    data = TrainingData.to_choose(load_dataset(search.config.recipe), search.config.recipe, search.config.search.seed)
    for trial in resumed:
        assert trial.hardware is not None
        torch.set_num_threads(trial.hardware.threads)
        trainer = Trainer(trial.recipe, data, trial.hardware, trial.seed)
        for row in trial.rows:
            assert vars(trainer.run_epoch()) | TIMES == row | TIMES


@pytest.mark.slow
def test_it_can_be_extended_with_fewer_workers(search: SearchResult, program: Any) -> None:
    done = program.run("--resume", NAME, "--samples", str(SAMPLES + 1), "--workers", "1")
    assert "; 1 worker, each of" in done.stdout
    longer = load_search(NAME, program.storage)
    assert longer.trials[:SAMPLES] == search.trials
    assert len(ended(longer)) == len(longer.trials) == SAMPLES + 1
