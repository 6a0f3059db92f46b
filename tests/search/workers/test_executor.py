"""What a Ray worker computes with, and in which order tasks run and return."""

import subprocess
import sys
from pathlib import Path

import pytest
import ray
import torch

from tune_s11.search.workers.cluster import Workers
from tune_s11.search.workers.executor import Executor


@pytest.mark.parametrize(("given", "device"), [([], "cpu"), (["1"], "cuda")])
def test_a_worker_takes_a_gpu_only_if_ray_gave_it_one(
    monkeypatch: pytest.MonkeyPatch, given: list[str], device: str
) -> None:
    """With ``--gpus 0`` on a machine that has GPUs, whose workers see them all."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "get_gpu_ids", lambda: given)
    assert Executor(Workers(1, 3, 0, 1), "fp32").hardware().device == device
    assert Executor(Workers(1, 3, 0, 1), "fp32").hardware().threads == 3


@pytest.mark.parametrize("allowed", [True, False])
def test_convolutions_are_matrix_products_only_where_the_search_allows_it(
    monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    executor = Executor(Workers(1, 1, 0, 1), "bf16", matrix_products=allowed)
    assert executor.hardware().matrix_products is allowed


TASKS = """
import os
import time
from pathlib import Path

import ray
import torch

from tune_s11.search.workers.cluster import Resources, connect
from tune_s11.search.workers.executor import Executor
from tune_s11.search.workers.parts import Failed


def doubled(worker, number, stored):
    assert torch.get_num_threads() == worker.hardware.threads
    assert worker.hardware.precision == "fp32"
    if number < 0:
        raise ValueError("too low")
    begun = time.monotonic()
    time.sleep(0.3)
    return 2 * number + stored, begun, time.monotonic()


class Hanging:
    \"""Hangs a worker before it has started: when what it needs is imported there.\"""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return hang, (self.marker,)


def hang(marker):
    if not Path(marker).exists():
        Path(marker).write_text(str(os.getpid()))
        time.sleep(3600)


def untouched(worker, nothing):
    assert os.getpid() != int(Path("start").read_text())


with connect(Resources(gpus=0, workers=1)) as cluster:
    executor = Executor(cluster.workers, "fp32")
    waits = []
    seen = {}
    calls = ((number, ray.put(100)) for number in range(3))
    results = executor.run(doubled, calls, lambda: waits.append(len(seen)), seen.__setitem__)
    assert [result for result, _, _ in results] == [100, 102, 104]
    assert seen == dict(enumerate(results))
    assert {1, 2} <= set(waits), "each result is handed over while others are still to come"
    spans = [span for _, *span in results]
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:])), "one at a time"
    assert len(waits) >= 3
    failed, fine = executor.run(doubled, [(-1, 0), (5, 0)])
    assert fine[0] == 10, "what else there is to do is done"
    assert isinstance(failed, Failed) and failed.reason == "ValueError: too low", failed
    assert "ray::doubled()" in failed.traceback, failed

    executor = Executor(cluster.workers, "fp32", stall_timeout=40, max_failures=1)
    silent = "its worker reported nothing for 40 s and was killed (--stall-timeout)"
    failures = []
    executor.run(untouched, [(Hanging("start"),)], on_failure=lambda call, reason: failures.append(reason))
    assert failures == [silent], failures
    assert not Path("/proc", Path("start").read_text()).exists()
print("done")
"""


@pytest.mark.slow
def test_tasks_and_a_worker_that_hangs_before_it_has_started(tmp_path: Path) -> None:
    """They run no more at a time than trials may, under their own names, and again where a worker hangs."""
    done = subprocess.run(
        [sys.executable, "-c", TASKS], capture_output=True, text=True, timeout=500, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
