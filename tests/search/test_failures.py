"""When a worker counts as hanging."""

from tune_s11.search import failures
from tune_s11.search.failures import Silence


def test_default_follows_the_longest_report() -> None:
    silence = Silence(None)
    assert silence.limit == failures.STALL_FIRST
    silence.hear("id0", 5.0)
    assert silence.limit == failures.STALL_LEAST
    silence.hear("id1", 97.0)
    silence.hear("id0", 5.0)
    assert silence.limit == 20 * 97.0
    assert Silence(None, 97.0).limit == 20 * 97.0
    assert Silence(30, 97.0).limit == 30
