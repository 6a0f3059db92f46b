"""Finds workers that hang in any stage, and defines the error that ends a search.

:mod:`tune_s11.search.callbacks.failures` watches trials; :mod:`tune_s11.search.workers.parts` watches and repeats the
parts of the other stages. A trial whose worker dies, for whatever reason, is resumed by Tune from its last checkpoint,
``max_failures`` times; :func:`tune_s11.search.tune.internals.recover_failed_resets` covers the one case that Tune
misses.
"""

import time
from collections.abc import Iterable

STALL_FIRST = 4 * 3600.0
"""Time limit in seconds for the first report, before any has been timed: more than an epoch of the full recipe takes on
one slow core."""

STALL_FACTOR = 20.0
"""Time limit for a later report, as a multiple of the longest so far; allows for wider networks and a busy machine."""

STALL_LEAST = 600.0
"""Minimum time limit in seconds for a later report."""


class SearchFailedError(Exception):
    """Raised when a search ends without a winner; the message is one line that says why."""


class Watchdog:
    """Finds workers that report nothing for too long, by one rule for trials and for parts of other stages.

    Args:
        seconds: Value of ``--stall-timeout``; None: derived from the longest report so far.
        longest: Duration of the longest report so far, in seconds; 0 if there was none.
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
        """Reason why a worker was killed, for its trial or part."""
        return f"its worker reported nothing for {self.limit:.0f} s and was killed (--stall-timeout)"

    def record(self, name: str, seconds: float = 0.0) -> None:
        """Record a sign of life from a worker and, if it is a report, the seconds that it took."""
        self._heard[name] = time.monotonic()
        self._longest = max(self._longest, seconds)

    def forget(self, name: str) -> None:
        """Forget a worker; the time of a new one with this name counts from when it is first seen."""
        self._heard.pop(name, None)

    def since(self, name: str) -> float:
        """Return the seconds since the last sign of life of a watched worker."""
        return time.monotonic() - self._heard[name]

    def silent(self, names: Iterable[str]) -> list[str]:
        """Return the workers that have been silent for too long.

        The time of new workers counts from now; workers that are not in ``names`` are forgotten.
        """
        now, limit = time.monotonic(), self.limit
        self._heard = {name: self._heard.get(name, now) for name in names}
        return [name for name, heard in self._heard.items() if now - heard > limit]
