"""When a worker counts as hanging."""

from tune_s11.search import failures
from tune_s11.search.failures import Watchdog


def test_default_follows_the_longest_report() -> None:
    watchdog = Watchdog(None)
    assert watchdog.limit == failures.STALL_FIRST
    watchdog.record("id0", 5.0)
    assert watchdog.limit == failures.STALL_LEAST
    watchdog.record("id1", 97.0)
    watchdog.record("id0", 5.0)
    assert watchdog.limit == 20 * 97.0
    assert Watchdog(None, 97.0).limit == 20 * 97.0
    assert Watchdog(30, 97.0).limit == 30
