"""What a Ray worker computes with, and in which order tasks run and return."""

import subprocess
import sys

import pytest
import ray
import torch

from tune_s11.search.cluster import Workers
from tune_s11.search.executor import Executor


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


TASKS = """
import time
from pathlib import Path

import ray
import torch
from ray.exceptions import RayTaskError

from tune_s11.search.cluster import Resources, connect
from tune_s11.search.executor import Executor


def doubled(hardware, number, stored):
    assert torch.get_num_threads() == hardware.threads
    assert hardware.precision == "fp32"
    if number < 0:
        raise ValueError("too low")
    begun = time.monotonic()
    time.sleep(0.3)
    return 2 * number + stored, begun, time.monotonic()


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
    try:
        executor.run(doubled, [(-1, 0), (5, 0)], on_result=lambda call, result: seen.update({call + 10: result}))
    except RayTaskError as error:
        assert "ray::doubled()" in str(error) and "ValueError: too low" in str(error), error
    else:
        raise AssertionError("it should have failed")
    assert seen[11][0] == 10, "what else there is to do is done first"
print("done")
"""


@pytest.mark.slow
def test_tasks_run_no_more_at_a_time_than_trials_may_and_under_their_own_names() -> None:
    done = subprocess.run([sys.executable, "-c", TASKS], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
