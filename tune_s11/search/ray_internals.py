"""Holds all uses of Ray that are not public, for Ray 2.60. Each docstring says what would make its use unnecessary."""

import time
import uuid
from typing import Any

from ray import tune
from ray._private import worker as ray_worker
from ray.actor import ActorHandle
from ray.exceptions import RayActorError
from ray.experimental import internal_kv
from ray.train._internal.session import _TrainingResult
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial


def saved(trainable: tune.Trainable, checkpoint: tune.Checkpoint | None) -> Any:
    """Return what a trainable's ``save`` returns for a checkpoint that it has stored itself, or for none.

    Otherwise Tune would copy the checkpoint once more. This can go with ray-project/ray#52762, manual persistence of
    checkpoints.
    """
    return _TrainingResult(checkpoint=checkpoint, metrics=dict(trainable._last_result or {}))


def worker_of(trial: Trial) -> ActorHandle | None:
    """Return the actor that trains a trial; None while it has none.

    Callbacks are given only the trials, but killing a worker that hangs needs its actor. No issue upstream asks for
    either (searched 2026-11-26).
    """
    return trial.temporary_state.ray_actor


def recover_failed_resets() -> None:
    """Make Tune recover, from now on, a trial whose worker dies while it is handed over from the previous trial.

    Tune 2.60 gets two events. The first says that the actor has died, and Tune lets the trial wait for another actor.
    The second says that the actor's reset has failed, and Tune ends the waiting trial, whatever ``max_failures`` says.
    No issue upstream reports it (searched 2026-11-26).
    """
    TuneController._trial_task_failure = _task_failure


_forgetful_task_failure = TuneController._trial_task_failure


def _task_failure(controller: TuneController, trial: Trial, exception: Exception) -> None:
    waits_for_another = trial.status == Trial.PENDING and isinstance(exception, RayActorError)
    if trial in controller._resetting_trials and waits_for_another:
        controller._resetting_trials.remove(trial)
    else:
        _forgetful_task_failure(controller, trial, exception)


SIGN_SECONDS = 1.0
"""Seconds between two signs of life of a worker, at least, because a step may take milliseconds."""


class SignsOfLife:
    """The signs of life of workers on any node, in the cluster's key-value store.

    The public alternative, calling an actor, costs a separate process. No issue upstream asks for less.
    """

    def __init__(self) -> None:
        self._prefix = f"tune_s11/{uuid.uuid4().hex}/"

    def giver(self, name: str) -> "SignOfLife":
        """Return the object by which a worker gives its signs."""
        return SignOfLife(self._prefix + name)

    def count(self, name: str) -> int:
        """Return the number of signs that a worker has given so far."""
        return int(internal_kv._internal_kv_get(self._prefix + name) or 0)

    def forget(self) -> None:
        """Delete all signs."""
        internal_kv._internal_kv_del(self._prefix, del_by_prefix=True)


class SignOfLife:
    """A callable that gives a worker's signs of life, one per second at most.

    Args:
        key: Key to write them to.
    """

    def __init__(self, key: str) -> None:
        self._key, self._given, self._last = key, 0, -SIGN_SECONDS

    def __call__(self) -> None:
        """Give a sign of life, unless the last one was less than a second ago."""
        if (now := time.monotonic()) - self._last >= SIGN_SECONDS:
            self._given, self._last = self._given + 1, now
            internal_kv._internal_kv_put(self._key, str(self._given), overwrite=True)


def silence_raylet() -> None:
    """Stop Ray from printing a paragraph about a worker that dies under a task, whatever ``log_to_driver`` says.

    The stage that the worker was part of reports it in one line. No issue upstream asks for a switch.
    """
    ray_worker.print_to_stdstream = lambda *_, **__: None
