"""What is used of Ray that is not public, all of it, for Ray 2.60. Each piece says what would let it go."""

from typing import Any

from ray import tune
from ray.actor import ActorHandle
from ray.exceptions import RayActorError
from ray.train._internal.session import _TrainingResult
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial


def saved(trainable: tune.Trainable, checkpoint: tune.Checkpoint | None) -> Any:
    """What a trainable's ``save`` returns of a checkpoint that it has written to its place itself, or of none.

    Tune would copy it there once more. Waits for ray-project/ray#52762, manual persistence of checkpoints.
    """
    return _TrainingResult(checkpoint=checkpoint, metrics=dict(trainable._last_result or {}))


def worker_of(trial: Trial) -> ActorHandle | None:
    """The actor that trains a trial; None while it has none.

    Callbacks are given the trials alone, and what kills a worker that hangs needs its actor. No issue upstream asks for
    either (searched 2026-11-26).
    """
    return trial.temporary_state.ray_actor


def recover_failed_resets() -> None:
    """Has Tune recover, from now on, a trial whose worker dies while it is handed over from the trial before.

    Tune 2.60 hears of it twice: that the actor has died, whereupon it has the trial wait for another one, and that its
    reset has failed. For a trial that waits that is the end, whatever ``max_failures`` says. No issue upstream reports
    it (searched 2026-11-26).
    """
    TuneController._trial_task_failure = _task_failure


_forgetful_task_failure = TuneController._trial_task_failure


def _task_failure(controller: TuneController, trial: Trial, exception: Exception) -> None:
    waits_for_another = trial.status == Trial.PENDING and isinstance(exception, RayActorError)
    if trial in controller._resetting_trials and waits_for_another:
        controller._resetting_trials.remove(trial)
    else:
        _forgetful_task_failure(controller, trial, exception)
