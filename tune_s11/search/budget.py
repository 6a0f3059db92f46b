"""Ends the trials of a search when there is only just time for the steps after them."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from ray.tune import Stopper

from tune_s11.config import InputError
from tune_s11.search.forecast import MARGIN, Forecast
from tune_s11.text import format_seconds


class Budget(Stopper):  # type: ignore[misc]
    """A stopper that ends the trials when there is only just time for the steps after them.

    Trials that are still running then count as interrupted: they report nothing more, and a resumed search continues
    them from their checkpoints.

    Args:
        deadline: Time when everything must be done, on the monotonic clock, in seconds.
        forecast: Forecast of the steps after the trials; it is scaled up if epochs take longer than forecast.
        room: Function of the epochs reported so far that returns the number of finalists for which there is room.
    """

    def __init__(self, deadline: float, forecast: Forecast, room: Callable[[int], int]) -> None:
        self._deadline, self._forecast, self._room = deadline, forecast, room
        self._epochs: list[float] = []

    @staticmethod
    def within(seconds: float, begun: float, forecast: Forecast, room: Callable[[int], int]) -> "Budget":
        """Create a budget of ``seconds`` from ``begun``, a time on the monotonic clock.

        Raises:
            InputError: The seconds do not suffice for a single trial and the steps after it.
        """
        least = time.monotonic() - begun + forecast.least
        if seconds < least:
            target = " target," if forecast.lengths else ""
            raise InputError(
                f"--budget {format_seconds(seconds)}: must be at least {format_seconds(least)}, the time for start, "
                f"range test, one complete trial, finalists,{target} refits and report"
            )
        return Budget(begun + seconds, forecast, room)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Record a report; no trial is stopped individually."""
        self._epochs += [row["seconds"] for row in result["epochs"]]
        return False

    def stop_all(self) -> bool:
        """Return whether the trials must end now."""
        slower = max(1.0, statistics.median(self._epochs) / self._forecast.trial.epoch) if self._epochs else 1.0
        room = self._room(len(self._epochs)) + 1  # the next report may make room for one more
        return time.monotonic() + MARGIN * slower * self._forecast.after_trials(room) >= self._deadline
