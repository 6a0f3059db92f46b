"""Heartbeats cost the cluster's store one write a second, however often they are sent."""

from typing import Any

import pytest

from tune_s11.search import ray_internals
from tune_s11.search.ray_internals import HEARTBEAT_SECONDS, Heartbeats


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The cluster's key-value store."""
    kept: dict[str, Any] = {}

    def forget(prefix: str, del_by_prefix: bool) -> None:
        assert del_by_prefix
        for key in [key for key in kept if key.startswith(prefix)]:
            del kept[key]

    kv = ray_internals.internal_kv
    monkeypatch.setattr(kv, "_internal_kv_put", lambda key, value, overwrite: kept.update({key: value}))
    monkeypatch.setattr(kv, "_internal_kv_get", kept.get)
    monkeypatch.setattr(kv, "_internal_kv_del", forget)
    return kept


def test_ray_prints_again_after_a_search() -> None:
    before = ray_internals.ray_worker.print_to_stdstream
    with ray_internals.raylet_silenced():
        assert ray_internals.ray_worker.print_to_stdstream is not before
    assert ray_internals.ray_worker.print_to_stdstream is before


def test_a_heartbeat_is_written_once_a_second(store: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    heartbeats = Heartbeats()
    send = heartbeats.sender("cycle 3")
    assert heartbeats.sent("cycle 3") == (0, 0)
    for steps in range(1, 4):
        for _ in range(100):
            send()
        assert heartbeats.sent("cycle 3") == (steps, steps)
        clock[0] += HEARTBEAT_SECONDS
    for _ in range(100):
        send.waiting()
    assert heartbeats.sent("cycle 3") == (4, 3)


def test_workers_have_heartbeats_of_their_own_and_all_are_forgotten(store: dict[str, Any]) -> None:
    heartbeats, others = Heartbeats(), Heartbeats()
    heartbeats.sender("a")()
    others.sender("a")()
    assert (heartbeats.sent("a"), heartbeats.sent("b"), others.sent("a")) == ((1, 1), (0, 0), (1, 1))
    heartbeats.forget()
    assert (heartbeats.sent("a"), others.sent("a")) == ((0, 0), (1, 1))
