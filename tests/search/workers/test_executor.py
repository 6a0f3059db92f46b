"""What a Ray worker computes with, and in which order tasks run and return."""

import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
import torch
from hypothesis import given
from hypothesis import strategies as st

from tune_s11.config import InputError
from tune_s11.search.workers import executor as executor_module
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


def test_a_worker_whose_gpu_torch_cannot_use_does_not_train_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(executor_module, "why_no_gpu", lambda: "the NVIDIA driver is too old")
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "get_gpu_ids", lambda: ["0"])
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: "10.0.0.7")
    with pytest.raises(InputError) as refused:
        Executor(Workers(1, 1, 1, 1), "fp32").hardware()
    assert str(refused.value) == (
        "node 10.0.0.7: Ray gives it a GPU, but the NVIDIA driver is too old; "
        "expected --gpus 0, or a driver and a torch that can use it"
    )


@pytest.mark.parametrize(
    ("workers", "calls", "gpus"),
    [
        (Workers(8, 2, 0.25, 8), 1, 1.0),
        (Workers(8, 2, 0.25, 8), 2, 1.0),
        (Workers(8, 2, 0.25, 8), 3, 0.5),  # two of them share the first GPU
        (Workers(8, 2, 0.25, 8), 8, 0.25),
        (Workers(8, 2, 0.25, 8), 15, 0.25),
        (Workers(6, 2, 1 / 3, None), 2, 1.0),
        (Workers(4, 4, 1, 4), 3, 1.0),
        (Workers(2, 1, 0, 2), 1, 0),
        (Workers(2, 1, 0.5, 2), 0, 0.5),
    ],
)
def test_a_few_parts_are_spread_over_all_gpus(
    monkeypatch: pytest.MonkeyPatch, workers: Workers, calls: int, gpus: float
) -> None:
    asked: list[float] = []

    def remote(num_cpus: int, num_gpus: float, max_retries: int) -> object:
        asked.append(num_gpus)
        return lambda function: function

    def parts(task: object, name: str, workers: Workers, *_: object) -> object:
        asked.append(workers.gpus)
        return SimpleNamespace(run=lambda calls, *_: [number for *_, number in calls])

    monkeypatch.setattr(executor_module, "ray", SimpleNamespace(remote=remote))
    monkeypatch.setattr(executor_module, "Parts", parts)
    assert Executor(workers, "fp32").run(max, ((number,) for number in range(calls))) == list(range(calls))
    assert asked == [gpus, gpus], "a task takes as much as its place has"


@given(st.integers(1, 16), st.integers(1, 8), st.integers(1, 200))
def test_no_part_waits_because_they_are_spread(gpus: int, share: int, calls: int) -> None:
    workers = Workers(gpus * share, 1, 1 / share, None)
    each = executor_module._over_all_gpus(workers, calls).gpus
    assert each >= workers.gpus
    assert gpus * math.floor(1 / each + 1e-9) >= min(calls, workers.slots)


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
