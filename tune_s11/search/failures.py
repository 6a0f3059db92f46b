"""Workers that hang are killed, in every stage, and a search in which nothing works ends.

Parts of the other stages are watched and repeated by :mod:`tune_s11.search.workers.parts`, trials are watched by
:mod:`tune_s11.search.callbacks.failures`. A trial whose worker dies, for whatever reason, is resumed by Tune from its
last checkpoint, ``max_failures`` times; :func:`tune_s11.search.ray_internals.recover_failed_resets` covers the one case
that Tune forgets.
"""

import time
from collections.abc import Iterable

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
