"""What is used of Ray that is not public, all of it, for Ray 2.60. Each piece says what would let it go."""

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


SIGN_SECONDS = 1.0
"""Least time between two signs of life of a worker: a step may take milliseconds."""


class SignsOfLife:
    """Signs of life of workers on any node, in the cluster's store of keys and values.

    What is public, an actor that is called, costs a process of its own. No issue upstream asks for less.
    """

    def __init__(self) -> None:
        self._prefix = f"tune_s11/{uuid.uuid4().hex}/"

    def giver(self, name: str) -> "SignOfLife":
        """What a worker gives its signs with."""
        return SignOfLife(self._prefix + name)

    def count(self, name: str) -> int:
        """Signs that a worker has given so far."""
        return int(internal_kv._internal_kv_get(self._prefix + name) or 0)

    def forget(self) -> None:
        """Deletes them all."""
        internal_kv._internal_kv_del(self._prefix, del_by_prefix=True)


class SignOfLife:
    """Gives a worker's signs of life, one a second at most.

    Args:
        key: Where to.
    """

    def __init__(self, key: str) -> None:
        self._key, self._given, self._last = key, 0, -SIGN_SECONDS

    def __call__(self) -> None:
        """Gives one."""
        if (now := time.monotonic()) - self._last >= SIGN_SECONDS:
            self._given, self._last = self._given + 1, now
            internal_kv._internal_kv_put(self._key, str(self._given), overwrite=True)


def silence_raylet() -> None:
    """Has Ray print nothing of a worker that dies under a task: a paragraph, whatever ``log_to_driver`` says.

    The stage that the worker was part of says it in a line. No issue upstream asks for a switch.
    """
    ray_worker.print_to_stdstream = lambda *_, **__: None
