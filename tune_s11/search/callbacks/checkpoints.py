"""Deletes the checkpoints of trials that have ended."""

from typing import Any

from ray.tune import Callback
from ray.tune.result import DONE, SHOULD_CHECKPOINT

from tune_s11.search.checkpoints import drop_checkpoints
from tune_s11.search.context import Context


class DropLosers(Callback):  # type: ignore[misc]
    """Deletes the checkpoints of each trial as it ends, whatever its end, and has none made of one that is ending."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a way to restore that is not used here."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial has reported; where it ends with this, by itself or at a rung, Tune asks here once more."""
        if result[DONE]:
            result[SHOULD_CHECKPOINT] = False

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has ended by itself or was pruned."""
        drop_checkpoints(self._context, trial.config["number"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has failed for good."""
        drop_checkpoints(self._context, trial.config["number"])
