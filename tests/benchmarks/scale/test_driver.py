"""A search whose workers are stand-ins is the program's own in all else."""

from pathlib import Path

import pytest
import ray
from optuna.trial import TrialState

from benchmarks.scale.driver import LOAD, REPORTS, reports, row, search, stand_ins, tell
from tune_s11.results import TrialResult
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


def test_gpus_that_are_fed(capsys: pytest.CaptureFixture[str]) -> None:
    config = load_space("s11")
    trials = [
        TrialResult(number, {}, config.recipe, 0, None, [EpochMetrics(**row(epoch, 0.5))], "complete")
        for number, epoch in enumerate((REPORTS[-1], REPORTS[0]))
    ]
    assert tell("two", 0.5, trials) == pytest.approx(LOAD * (10 + 10 / 6) / 0.5)
    assert capsys.readouterr().out.split() == ["two", "2", "8", "125.0", "250.0", "12"]


@pytest.mark.slow
def test_stand_ins_run_a_search_to_its_end(tmp_path: Path) -> None:
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        with stand_ins():
            _, trials = search(tmp_path / "search", 4, 12)
    finally:
        ray.shutdown()
    assert len(trials) == 12
    *rungs, end = REPORTS
    pruned = {trial.epoch for trial in trials if trial.state == "pruned"}
    assert pruned
    assert pruned <= set(rungs)
    assert {trial.epoch for trial in trials if trial.state == "complete"} == {end}
    assert {trial.state for trial in trials} == {"pruned", "complete"}
    study = open_study(tmp_path / "search" / "study.log", load_space("s11").search)
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in study.trials)
