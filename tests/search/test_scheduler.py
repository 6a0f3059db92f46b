"""Rungs: where they are, what they can save, and that they outlive the process."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from tune_s11.config import Recipe, SearchSettings
from tune_s11.results import SCORE, TrialResult
from tune_s11.search.audit import Audit
from tune_s11.search.scheduler import RememberingASHA, greatest_saving

NO_AUDIT = Audit(Path("/nowhere"), SearchSettings(audit=0))


def settings(**changes: object) -> SearchSettings:
    return SearchSettings.model_validate({"grace": 2, "factor": 2, **changes})


def result(number: int, scores: list[float]) -> TrialResult:
    rows = [{"epoch": epoch, SCORE: score, "diverged": False} for epoch, score in enumerate(scores, start=1)]
    return TrialResult(number, {}, Recipe(), number, None, rows, "pruned")


def report(scheduler: ASHAScheduler, trial: SimpleNamespace, epoch: int, score: float) -> str:
    return scheduler.on_trial_result(None, trial, {"epoch": epoch, SCORE: score})


def test_rungs_of_the_shipped_defaults() -> None:
    assert SearchSettings().rung_epochs(24) == [4, 12]
    assert settings(grace=2, factor=3).rung_epochs(24) == [2, 6, 18]
    assert settings(scheduler="none").rung_epochs(24) == []


@given(st.integers(1, 30), st.floats(1.2, 5), st.integers(2, 200))
def test_rungs_are_those_of_ray(grace: int, factor: float, epochs: int) -> None:
    if grace >= epochs:
        return
    rungs = settings(grace=grace, factor=factor).rung_epochs(epochs)
    scheduler = RememberingASHA(settings(grace=grace, factor=factor), epochs, NO_AUDIT)
    of_ray = sorted(milestone for milestone, _ in scheduler._brackets[0]._rungs)
    assert rungs[0] == grace
    # Ray counts its rungs by a rounded logarithm, so that one close to the end may be its or ours alone.
    for ours, theirs in zip(rungs, of_ray, strict=False):
        assert 0 <= ours - theirs < 1
    assert 1 <= greatest_saving(rungs, factor, epochs) <= epochs / grace


def test_greatest_saving_by_hand() -> None:
    assert greatest_saving([8], 3, 24) == pytest.approx(24 / (8 + 16 / 3))
    assert greatest_saving([], 3, 24) == 1


def test_earlier_trials_count_in_the_rungs() -> None:
    earlier = [result(0, [0.5, 0.6, 0.7, 0.8]), result(1, [0.5, 0.5])]
    scheduler = RememberingASHA(settings(), 8, NO_AUDIT, earlier)
    worse = SimpleNamespace(trial_id="new", config={"number": 2})
    scheduler.on_trial_add(None, worse)
    assert report(scheduler, worse, 1, 0.9) == TrialScheduler.CONTINUE
    assert report(scheduler, worse, 2, 0.4) == TrialScheduler.STOP
    better = SimpleNamespace(trial_id="newer", config={"number": 3})
    scheduler.on_trial_add(None, better)
    assert report(scheduler, better, 2, 0.65) == TrialScheduler.CONTINUE


def test_a_trial_taken_up_again_keeps_its_place() -> None:
    earlier = [result(0, [0.5, 0.9]), result(1, [0.5, 0.6, 0.7])]
    scheduler = RememberingASHA(settings(), 8, NO_AUDIT, earlier)
    again = SimpleNamespace(trial_id="again", config={"number": 1})
    scheduler.on_trial_add(None, again)
    rungs = dict(scheduler._brackets[0]._rungs)
    assert rungs[2] == {"t0000": 0.9, "again": 0.6}
    assert report(scheduler, again, 3, 0.1) == TrialScheduler.CONTINUE
    assert rungs[2]["again"] == 0.6


def test_a_trial_to_be_stopped_whose_worker_dies_first_is_stopped_at_the_same_rung() -> None:
    scheduler = RememberingASHA(settings(), 8, NO_AUDIT, [result(0, [0.5, 0.9])])
    worse = SimpleNamespace(trial_id="worse", config={"number": 1})
    scheduler.on_trial_add(None, worse)
    assert report(scheduler, worse, 2, 0.4) == TrialScheduler.STOP
    scheduler.on_trial_error(None, worse)
    scheduler.on_trial_add(None, worse)
    assert report(scheduler, worse, 1, 0.3) == TrialScheduler.CONTINUE
    assert report(scheduler, worse, 2, 0.4) == TrialScheduler.STOP
