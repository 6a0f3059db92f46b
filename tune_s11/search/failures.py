"""Workers that hang are killed, in every stage, and a search in which nothing works ends.

What runs beside the trials is watched and repeated by :mod:`tune_s11.search.parts`. A trial whose worker dies, of
whatever, Tune itself resumes from its last checkpoint, ``max_failures`` times;
:func:`tune_s11.search.ray_internals.recover_failed_resets` mends the one case that it forgets.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.result import TIME_THIS_ITER_S

from tune_s11.results import last_error, trial_name
from tune_s11.search.ray_internals import worker_of

LEAST_FAILURES = 3
"""A search ends after so many failed trials in a row, or as many as it has workers where these are more."""

STALL_FIRST = 4 * 3600.0
"""Seconds that the first report may take while none has been measured: more than an epoch of the full recipe takes
on one slow core."""

STALL_FACTOR = 20.0
"""Thereafter a report may take so many times the longest one so far: wider networks and a busy machine included."""

STALL_LEAST = 600.0
"""But no worker is killed before so many seconds."""


class SearchFailedError(Exception):
    """The search came to its end without a winner; the message is one line that says why."""


class Silence:
    """Which workers have reported nothing for too long: one rule for trials and for the parts of the other stages.

    Args:
        seconds: ``--stall-timeout``; None: by the longest report so far.
        longest: Seconds of the longest report so far; 0 where there was none.
    """

    def __init__(self, seconds: float | None, longest: float = 0.0) -> None:
        self._seconds, self._longest = seconds, longest
        self._heard: dict[str, float] = {}

    @property
    def limit(self) -> float:
        """Seconds without a report after which a worker is killed."""
        if self._seconds is not None:
            return self._seconds
        return max(STALL_LEAST, STALL_FACTOR * self._longest) if self._longest else STALL_FIRST

    @property
    def reason(self) -> str:
        """Why a worker was killed, for its trial or part."""
        return f"its worker reported nothing for {self.limit:.0f} s and was killed (--stall-timeout)"

    def hear(self, name: str, seconds: float = 0.0) -> None:
        """A worker has given a sign of life; where that is a report, with the seconds that it took."""
        self._heard[name] = time.monotonic()
        self._longest = max(self._longest, seconds)

    def since(self, name: str) -> float:
        """Seconds since a worker that is watched was heard of."""
        return time.monotonic() - self._heard[name]

    def silent(self, names: Iterable[str]) -> list[str]:
        """Those of the workers that have been silent for too long. One that is new counts from now, others go."""
        now, limit = time.monotonic(), self.limit
        self._heard = {name: self._heard.get(name, now) for name in names}
        return [name for name, heard in self._heard.items() if now - heard > limit]


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
