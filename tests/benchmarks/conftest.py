"""The scripts import one another from their own folder, so their tests do too; packages are found from the root."""

import signal
import sys
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(HERE)]


class Here:
    """Works in this process: a pool of processes takes seconds to start."""

    def __init__(self, *_: object, initializer: Any, initargs: tuple[Any]) -> None:
        self.worker = initargs[0]

    def submit(self, _function: object, task: Any) -> "Future[dict[str, Any]]":
        future: Future[dict[str, Any]] = Future()
        future.set_result(self.worker.run(task))
        return future

    def shutdown(self, cancel_futures: bool) -> None: ...


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import processes

    monkeypatch.setattr(processes, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
