"""Kills the workers of trials that hang, and ends a search in which nothing works."""

from pathlib import Path
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.result import TIME_THIS_ITER_S

from tune_s11.results import last_error, trial_name
from tune_s11.search.failures import SearchFailedError, Silence
from tune_s11.search.ray_internals import worker_of

LEAST_FAILURES = 3
"""A search ends after so many failed trials in a row, or as many as it has workers where these are more."""


class StallWatch(Callback):  # type: ignore[misc]
    """Kills the worker of a trial that reports nothing for too long.

    Args:
        seconds: ``--stall-timeout``; None: by the longest report so far.
        longest: Seconds of the longest report of an earlier session; 0 where there was none.
    """

    def __init__(self, seconds: float | None, longest: float) -> None:
        self._silence = Silence(seconds, longest)
        self._killed: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks for a way to restore that is not used here."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial has reported."""
        self._silence.hear(trial.trial_id, result[TIME_THIS_ITER_S])

    def on_trial_save(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has saved a checkpoint."""
        self._silence.hear(trial.trial_id)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Tune has handled an event, or a tenth of a second has gone by without one."""
        workers = {trial.trial_id: worker_of(trial) for trial in trials}
        for name in self._silence.silent(name for name, worker in workers.items() if worker is not None):
            if name not in self._killed:
                self._killed[name] = self._silence.reason
                ray.kill(workers[name])

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has failed and will go on."""
        self._explain(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has failed for good."""
        self._explain(trial)

    def _explain(self, trial: Any) -> None:
        reason = self._killed.pop(trial.trial_id, None)
        if reason is not None:
            with Path(trial.error_file).open("a", encoding="utf-8") as file:
                file.write(reason + "\n")


class FailureLimit(Callback):  # type: ignore[misc]
    """Ends the search when trials fail one after the other, and none comes to an end in between.

    Args:
        workers: Trials at a time, as it begins; where nodes join it may come to be more.
    """

    def __init__(self, workers: int) -> None:
        self._limit, self._in_a_row, self._last = max(LEAST_FAILURES, workers), 0, ""

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has its worker."""
        running = sum(worker_of(each) is not None for each in trials)
        self._limit = max(self._limit, running)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has ended by itself or was pruned."""
        self._in_a_row = 0

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has failed for good."""
        self._in_a_row += 1
        self._last = f"{trial_name(trial.config['number'])}: {last_error(Path(trial.error_file))}"

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Here, and not where a trial fails, Tune lets through what is raised."""
        if self._in_a_row >= self._limit:
            raise SearchFailedError(f"{self._in_a_row} trials in a row have failed, at last {self._last}")
