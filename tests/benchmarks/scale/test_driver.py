"""A search whose workers are stand-ins is the program's own in all else."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
from optuna.trial import TrialState

from benchmarks.scale.driver import HEADER, LOAD, Clock, Report, search, stand_ins, tell
from benchmarks.scale.reporting import EPOCH_SECONDS, REPORTS, reports, row
from tune_s11.search.study import open_study
from tune_s11.search_space import load_space
from tune_s11.training.metrics import EpochMetrics


def test_a_trial_reports_as_one_that_trains() -> None:
    told = list(reports({"max_lr": 0.4}, seed=1))
    assert [report["epoch"] for report in told] == list(REPORTS)
    config = load_space("s11")
    assert (*config.policy.rungs, config.recipe.epochs) == REPORTS
    assert [each["epoch"] for report in told for each in report["epochs"]] == list(range(1, 25))
    assert told == list(reports({"max_lr": 0.4}, seed=1))


def test_an_epoch_has_the_fields_of_one_that_trained() -> None:
    assert EpochMetrics(**row(3, 0.5)).score == 0.5


def test_a_result_costs_the_time_from_the_one_before(capsys: pytest.CaptureFixture[str]) -> None:
    results = [Report(at=0.5 * number, busy=0.1 * number, epochs=8) for number in range(11)]
    whole = tell("two", results, [])
    assert whole.seconds == pytest.approx(0.5)
    assert whole.busy == pytest.approx(0.1)
    assert whole.gpus == pytest.approx(LOAD * 8 * EPOCH_SECONDS / 0.5)
    told = capsys.readouterr().out
    assert told.split() == ["two", "0", "2", "500.0", "100.0", "500.0", "500.0", "3"]
    assert len(told.rstrip("\n")) == len(HEADER)


def test_only_what_happens_while_all_actors_have_a_trial_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, seconds = Clock(), itertools.count()
    time = SimpleNamespace(monotonic=seconds.__next__, process_time=lambda: 0.0)
    monkeypatch.setattr("benchmarks.scale.driver.time", time)
    for starts in (True, False, True, False, True, False, False):
        if starts:
            clock.on_trial_start(0, [], None)
        else:
            clock.on_trial_result(0, [], None, {"epochs": [{}] * 4})
    assert [report.at for report in clock.steady(actors=2)] == [3]


@pytest.mark.slow
def test_stand_ins_run_a_search_to_its_end(tmp_path: Path) -> None:
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        with stand_ins():
            results, trials = search(tmp_path / "search", 4, 12)
    finally:
        ray.shutdown()
    assert len(trials) == 12
    assert 0 < len(results) < sum(REPORTS.index(trial.epoch) + 1 for trial in trials)
    *rungs, end = REPORTS
    pruned = {trial.epoch for trial in trials if trial.state == "pruned"}
    assert pruned
    assert pruned <= set(rungs)
    assert {trial.epoch for trial in trials if trial.state == "complete"} == {end}
    assert {trial.state for trial in trials} == {"pruned", "complete"}
    study = open_study(tmp_path / "search" / "study.log", load_space("s11").search)
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in study.trials)
