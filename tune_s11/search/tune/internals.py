"""Contains all uses of private APIs of Ray Tune, for Ray 2.60. Each says what would make it unnecessary."""

from typing import Any

from ray import tune
from ray.actor import ActorHandle
from ray.exceptions import RayActorError
from ray.train._internal.session import _TrainingResult
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial


def saved(trainable: tune.Trainable, checkpoint: tune.Checkpoint | None) -> Any:
    """Build the return value of a trainable's ``save`` for a checkpoint that it has stored itself, or for none.

    Otherwise Tune would copy the checkpoint once more. This can be removed once ray-project/ray#52762, manual
    persistence of checkpoints, is available.
    """
    return _TrainingResult(checkpoint=checkpoint, metrics=dict(trainable._last_result or {}))


def worker_of(trial: Trial) -> ActorHandle | None:
    """Return the actor that trains a trial; None while it has none.

    Callbacks are given only the trials, but killing a hanging worker requires its actor. No upstream issue asks for
    either (searched 2026-11-26).
    """
    return trial.temporary_state.ray_actor


def recover_failed_resets() -> None:
    """Make Tune recover, from now on, any trial whose worker dies while being handed over from the previous trial.

    Tune 2.60 gets two events. The first says that the actor has died, and Tune lets the trial wait for another actor.
    The second says that the actor's reset has failed, and Tune ends the waiting trial, whatever ``max_failures`` says.
    No upstream issue reports it (searched 2026-11-26).
    """
    TuneController._trial_task_failure = _task_failure


_forgetful_task_failure = TuneController._trial_task_failure


def _task_failure(controller: TuneController, trial: Trial, exception: Exception) -> None:
    waits_for_another = trial.status == Trial.PENDING and isinstance(exception, RayActorError)
    if trial in controller._resetting_trials and waits_for_another:
        controller._resetting_trials.remove(trial)
    else:
        _forgetful_task_failure(controller, trial, exception)
