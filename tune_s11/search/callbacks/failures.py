"""Kills the workers of trials that hang, and ends a search in which trial after trial fails."""

import time
from pathlib import Path
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.result import TIME_THIS_ITER_S

from tune_s11.results import last_error, trial_name
from tune_s11.search.failures import SearchFailedError, Watchdog
from tune_s11.search.tune.internals import worker_of

LOOK_SECONDS = 1.0
"""Seconds between two checks for hanging workers. Each check goes through all trials of the search."""

LEAST_FAILURES = 3
"""Number of failed trials in a row that ends a search, or the number of its workers if that is greater."""


class StallWatch(Callback):  # type: ignore[misc]
    """A callback that kills the worker of a trial that reports nothing for too long.

    Args:
        seconds: Value of ``--stall-timeout``; None: derived from the longest report so far.
        longest: Duration of the longest report of an earlier session, in seconds; 0 if there was none.
    """

    def __init__(self, seconds: float | None, longest: float) -> None:
        self._watchdog = Watchdog(seconds, longest)
        self._killed: dict[str, str] = {}
        self._looked = float("-inf")

    def __getstate__(self) -> dict[str, Any]:
        """Return an empty state: Tune pickles its callbacks only for its own restore, which is not used here."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Record a report as a sign of life."""
        self._watchdog.record(trial.trial_id, result[TIME_THIS_ITER_S])

    def on_trial_save(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Record a saved checkpoint as a sign of life."""
        self._watchdog.record(trial.trial_id)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Kill workers that hang. Tune calls this after each event, or after a tenth of a second without one."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        workers = {trial.trial_id: worker_of(trial) for trial in trials}
        for name in self._watchdog.silent(name for name, worker in workers.items() if worker is not None):
            if name not in self._killed:
                self._killed[name] = self._watchdog.reason
                ray.kill(workers[name])

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Explain the failure of a trial that will be resumed by another worker."""
        self._explain(trial)
        self._watchdog.forget(trial.trial_id)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Explain the failure of a trial that has failed for good."""
        self._explain(trial)

    def _explain(self, trial: Any) -> None:
        reason = self._killed.pop(trial.trial_id, None)
        if reason is not None:
            with Path(trial.error_file).open("a", encoding="utf-8") as file:
                file.write(reason + "\n")


class FailureLimit(Callback):  # type: ignore[misc]
    """A callback that ends the search when too many trials fail in a row.

    Args:
        workers: Trials at a time when the search starts; there may be more if nodes join.
    """

    def __init__(self, workers: int) -> None:
        self._limit, self._in_a_row, self._last = max(LEAST_FAILURES, workers), 0, ""

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Raise the limit if more workers are running than before."""
        running = sum(worker_of(each) is not None for each in trials)
        self._limit = max(self._limit, running)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Reset the count after a trial that has ended on its own or was pruned."""
        self._in_a_row = 0

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Count a trial that has failed for good."""
        self._in_a_row += 1
        self._last = f"{trial_name(trial.config['number'])}: {last_error(Path(trial.error_file))}"

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """End the search at the limit. Tune lets exceptions through here, but not in :meth:`on_trial_error`."""
        if self._in_a_row >= self._limit:
            raise SearchFailedError(f"{self._in_a_row} trials in a row have failed, most recently {self._last}")
