"""Contains all uses of private APIs of Ray Core, for Ray 2.60. Each says what would make it unnecessary.

Those of Ray Tune are in :mod:`tune_s11.search.tune.internals`, because Tune takes seconds to import.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ray._private import worker as ray_worker
from ray.experimental import internal_kv

HEARTBEAT_SECONDS = 1.0
"""Minimum number of seconds between two heartbeats of a worker, because a step may take only milliseconds."""


class Sent(NamedTuple):
    """The numbers of heartbeats that a worker has sent so far."""

    signs: int = 0
    """All of them."""
    reports: int = 0
    """Those that reported progress. The others only showed that it waited for something."""


class Heartbeats:
    """The heartbeats of workers on any node, in the cluster's key-value store.

    The public alternative, calling an actor, costs a separate process. No upstream issue asks for a cheaper one.
    """

    def __init__(self) -> None:
        self._prefix = f"tune_s11/{uuid.uuid4().hex}/"

    def sender(self, name: str) -> "Heartbeat":
        """Return the callable with which a worker sends its heartbeats."""
        return Heartbeat(self._prefix + name)

    def sent(self, name: str) -> Sent:
        """Return the numbers of heartbeats that a worker has sent so far."""
        signs, reports = (internal_kv._internal_kv_get(self._prefix + name) or b"0 0").split()
        return Sent(int(signs), int(reports))

    def forget(self) -> None:
        """Delete all heartbeats."""
        internal_kv._internal_kv_del(self._prefix, del_by_prefix=True)


class Heartbeat:
    """A callable that sends a worker's heartbeats, one per second at most.

    Args:
        key: Key to write them to.
    """

    def __init__(self, key: str) -> None:
        self._key, self._sent, self._last = key, Sent(), -HEARTBEAT_SECONDS

    def __call__(self) -> None:
        """Report progress, unless the last heartbeat was less than a second ago."""
        self._send(reports=1)

    def waiting(self) -> None:
        """Show that the worker is alive although it makes no progress; see :meth:`__call__`."""
        self._send(reports=0)

    def _send(self, reports: int) -> None:
        if (now := time.monotonic()) - self._last >= HEARTBEAT_SECONDS:
            self._sent, self._last = Sent(self._sent.signs + 1, self._sent.reports + reports), now
            internal_kv._internal_kv_put(self._key, f"{self._sent.signs} {self._sent.reports}", overwrite=True)


@contextmanager
def raylet_silenced() -> Iterator[None]:
    """Stop Ray from printing a paragraph about a worker that dies during a task, whatever ``log_to_driver`` says.

    The stage that the worker was part of reports it in one line. No upstream issue asks for a switch. A session of Ray
    that a user starts afterwards prints again.
    """
    before = ray_worker.print_to_stdstream
    ray_worker.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        ray_worker.print_to_stdstream = before
