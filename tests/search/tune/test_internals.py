"""What Tune alone would get wrong of a worker that dies while a trial is handed over to it."""

from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import RayActorError
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial

from tune_s11.search.tune import internals
from tune_s11.search.tune.internals import recover_failed_resets, worker_of


class AnyTrial:
    def __init__(self, status: str) -> None:
        self.status = status
        self.temporary_state = SimpleNamespace(ray_actor=None)


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The trials that Tune gives up."""
    trials: list[Any] = []
    monkeypatch.setattr(TuneController, "_trial_task_failure", TuneController._trial_task_failure)  # as it was, at last
    monkeypatch.setattr(internals, "_forgetful_task_failure", lambda _, trial, exception: trials.append(trial))
    recover_failed_resets()
    return trials


@pytest.mark.parametrize(
    ("status", "resetting", "error", "recovered"),
    [
        (Trial.PENDING, True, RayActorError(), True),  # it waits for another worker already
        (Trial.PENDING, True, ValueError(), False),
        (Trial.RUNNING, True, RayActorError(), False),
        (Trial.PENDING, False, RayActorError(), False),
    ],
)
def test_only_what_waits_for_another_worker_is_recovered(
    failed: list[Any], status: str, resetting: bool, error: Exception, recovered: bool
) -> None:
    trial = AnyTrial(status)
    controller = SimpleNamespace(_resetting_trials={trial} if resetting else set())
    TuneController._trial_task_failure(controller, trial, error)
    assert failed == ([] if recovered else [trial])
    if recovered:
        assert controller._resetting_trials == set()


def test_a_trial_without_a_worker_has_none() -> None:
    trial: Any = AnyTrial(Trial.PENDING)
    assert worker_of(trial) is None
    trial.temporary_state.ray_actor = "actor"
    assert worker_of(trial) == "actor"
