"""A pool of processes without processes."""

import signal
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest


class Here:
    """Works in this process: a pool of processes takes seconds to start."""

    def __init__(self, *_: object, initializer: Any, initargs: tuple[Any]) -> None:
        self.material = initargs[0]

    def submit(self, _call: object, method: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(method(self.material, *arguments))
        return future

    def shutdown(self, cancel_futures: bool) -> None: ...


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.tools import processes

    monkeypatch.setattr(processes, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
