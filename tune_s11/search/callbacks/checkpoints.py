"""Deletes the checkpoints of finished trials."""

from typing import Any

from ray.tune import Callback
from ray.tune.result import DONE, SHOULD_CHECKPOINT

from tune_s11.search.checkpoints import drop_checkpoints
from tune_s11.search.context import Context


class DeleteCheckpoints(Callback):  # type: ignore[misc]
    """A callback that deletes each trial's checkpoints as it ends, for any reason, and prevents a final one."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def __getstate__(self) -> dict[str, Any]:
        """Return an empty state: Tune pickles its callbacks only for its own restore, which is not used here."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Cancel the checkpoint of a last report, which Tune marks as done also if it stops the trial at a rung."""
        if result[DONE]:
            result[SHOULD_CHECKPOINT] = False

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Delete the checkpoints of a trial that has ended on its own or was pruned."""
        drop_checkpoints(self._context, trial.config["number"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Delete the checkpoints of a trial that has failed for good."""
        drop_checkpoints(self._context, trial.config["number"])
