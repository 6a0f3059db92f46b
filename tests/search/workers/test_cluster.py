"""Who gets what of the machine; three GPUs that exist in name only are shared out as real ones would be."""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_s11.config import InputError
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.workers import cluster
from tune_s11.search.workers.cluster import (
    Node,
    Resources,
    Workers,
    _most_on_a_gpu,
    connect,
    environment,
    plan_workers,
)

HOLD = """
import ray, sys
context = ray.init(address="local", num_cpus=6, num_gpus=3, include_dashboard=False)
print(context.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("node", "gpus", "workers", "share", "plan"),
    [
        (Node(2, 0), None, None, 1, Workers(2, 1, 0, 2)),
        (Node(3, 0), None, None, 1, Workers(2, 1, 0, 2)),
        (Node(16, 0), None, 4, 1, Workers(4, 4, 0, 4)),
        (Node(1, 0), None, None, 1, Workers(1, 1, 0, 1)),
        (Node(16, 4), None, None, 1, Workers(4, 4, 1, 4)),
        (Node(16, 4), 2, None, 1, Workers(2, 8, 1, 2)),
        (Node(16, 4), 4, None, 2, Workers(8, 2, 0.5, 8)),
        (Node(2, 4), None, None, 1, Workers(2, 1, 1, 2)),
        (Node(16, 4), 0, 2, 1, Workers(2, 8, 0, 2)),
    ],
)
def test_plan(node: Node, gpus: int | None, workers: int | None, share: int, plan: Workers) -> None:
    assert plan_workers([node], gpus, workers, share, elastic=False) == plan


@pytest.mark.parametrize(
    ("nodes", "gpus", "workers", "share", "plan"),
    [
        # Three CPUs in all, but a trial of three would fit nowhere.
        ([Node(2, 0), Node(1, 0)], None, 1, 1, Workers(1, 2, 0, 1)),
        ([Node(2, 0), Node(1, 0)], None, 2, 1, Workers(2, 1, 0, 2)),
        ([Node(2, 0), Node(1, 0)], None, None, 1, Workers(3, 1, 0, None)),
        ([Node(16, 0), Node(16, 0)], None, None, 1, Workers(4, 8, 0, None)),
        # A head that only coordinates; a small one beside GPUs.
        ([Node(0, 0), Node(4, 0)], None, None, 1, Workers(2, 2, 0, None)),
        ([Node(2, 0), Node(16, 4), Node(8, 4)], None, None, 1, Workers(8, 2, 1, None)),
        ([Node(2, 0), Node(16, 4), Node(8, 4)], 4, None, 1, Workers(4, 5, 1, 4)),
        ([Node(8, 1), Node(8, 1)], None, None, 3, Workers(6, 2, 1 / 3, None)),
        # GPUs that lack a CPU stay idle, unless they were asked for.
        ([Node(2, 4)], None, None, 1, Workers(2, 1, 1, None)),
    ],
)
def test_plan_on_a_cluster(nodes: list[Node], gpus: int | None, workers: int | None, share: int, plan: Workers) -> None:
    assert plan_workers(nodes, gpus, workers, share, elastic=True) == plan


@given(
    st.lists(st.builds(Node, st.integers(0, 64), st.integers(0, 8)), min_size=1, max_size=5),
    st.none() | st.integers(0, 20),
    st.none() | st.integers(1, 20),
    st.integers(1, 5),
    st.booleans(),
)
def test_what_is_planned_fits_and_keeps_to_the_caps(
    nodes: list[Node], gpus: int | None, workers: int | None, share: int, elastic: bool
) -> None:
    try:
        plan = plan_workers(nodes, gpus, workers, share, elastic=elastic)
    except InputError:
        return
    assert 1 <= plan.slots <= sum(node.room(plan.cpus, plan.gpus) for node in nodes)
    if plan.gpus:
        assert plan.slots <= share * sum(node.gpus for node in nodes)
        assert gpus is None or plan.slots == plan.cap == gpus * share
    else:
        assert workers is None or plan.slots == plan.cap == workers
    assert elastic or plan.cap == plan.slots


@pytest.mark.parametrize(
    ("nodes", "gpus", "workers", "line"),
    [
        ([Node(8, 2)], 4, None, "--gpus 4: there are 2; expected 0 to 2 .* Ray has 1 node of 8 CPUs and 2 GPUs"),
        ([Node(8, 0), Node(8, 0)], 1, None, "--gpus 1: there are 0; .* Ray has 2 nodes of 8 CPUs$"),
        (
            [Node(2, 4)],
            4,
            None,
            "--gpus 4: .* CPUs for 2 trials; expected 0 to 2; Ray has 1 node of 2 CPUs and 4 GPUs",
        ),
        ([Node(8, 2)], None, 3, "--workers 3: is for CPUs, and 2 GPUs are used; expected .*--gpus 0$"),
        ([Node(8, 0)], None, 9, "--workers 9: must be at most the 8 CPUs there are; Ray has 1 node of 8 CPUs"),
        ([Node(0, 0)], None, None, "no node has room for a trial, which takes 1 CPU; Ray has 1 node of 0 CPUs"),
        ([Node(8, 0), Node(0, 1)], None, None, "1 CPU and a GPU; Ray has 1 node of 8 CPUs, 1 node of 0 CPUs and 1 GPU"),
    ],
)
def test_what_cannot_be_placed(nodes: list[Node], gpus: int | None, workers: int | None, line: str) -> None:
    with pytest.raises(InputError, match=line):
        plan_workers(nodes, gpus, workers, 1, elastic=True)


@pytest.mark.parametrize(
    ("nodes", "gpus", "most"),
    [
        ([Node(8, 2)], None, 4),
        ([Node(6, 2)], None, 3),
        ([Node(2, 4)], None, 1),
        ([Node(64, 1), Node(4, 2), Node(16, 0)], 1, 4),
        ([Node(8, 8)], 1, 4),  # seven of the GPUs take no CPU
        ([Node(8, 2)], 0, 1),
        ([Node(8, 0)], None, 1),
    ],
)
def test_most_that_may_share_a_gpu(nodes: list[Node], gpus: int | None, most: int) -> None:
    """Each takes a CPU of that GPU's node."""
    assert _most_on_a_gpu(nodes, gpus) == most


@pytest.mark.parametrize(
    ("gpus", "present", "device", "note"),
    [
        (None, 0, "there", "no GPU is used: torch has no CUDA support"),
        (None, 0, "missing", None),
        (None, 1, "there", None),
        (0, 0, "there", None),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_not_passed_over_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpus: int | None, present: int, device: str, note: str | None
) -> None:
    (tmp_path / "there").touch()
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(cluster, "NVIDIA", tmp_path / device)
    monkeypatch.setattr(cluster, "why_no_gpu", lambda: "torch has no CUDA support")
    monkeypatch.setattr(cluster, "_start", lambda _: (SimpleNamespace(dashboard_url=""), [Node(2, present)]))
    monkeypatch.setattr(cluster.ray, "shutdown", lambda: None)
    with connect(Resources(gpus=gpus)) as connected:
        assert connected.note == note


@pytest.mark.parametrize("address", ["local", "", "10.0.0.1", ":6379", "host:port", "ray://host:10001", "LOCAL"])
@pytest.mark.parametrize("from_environment", [False, True])
def test_an_address_that_is_none_starts_nothing(
    monkeypatch: pytest.MonkeyPatch, address: str, from_environment: bool
) -> None:
    """Ray takes `local` for a request to start it, open to the network."""
    monkeypatch.setattr(cluster.ray, "init", lambda *_, **__: pytest.fail("starts Ray"))
    monkeypatch.setenv("RAY_ADDRESS", address if from_environment else "10.0.0.1:6379")
    line = f"^--address {re.escape(address)}: expected auto or HOST:PORT, where `ray start --head` listens"
    with pytest.raises(InputError, match=line), connect(Resources(None if from_environment else address)):
        pass


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def interrupt() -> None:
    raise KeyboardInterrupt


def fail() -> None:
    raise OSError("no room")


@pytest.mark.parametrize(("end", "error"), [(interrupt, KeyboardInterrupt), (fail, SearchFailedError)])
def test_what_ray_has_started_ends_if_its_start_does_not_succeed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: Callable[[], None], error: type[BaseException]
) -> None:
    """In a notebook, too, whose kernel lives on with whatever else it has started."""
    started: list[psutil.Popen] = []

    def init(**_: object) -> None:
        started.append(psutil.Popen(["sh", "-c", "sleep 600 & wait"]))
        while not started[0].children():
            time.sleep(0.01)
        started.extend(started[0].children())
        end()

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setattr(cluster.ray, "init", init)
    own = psutil.Popen(["sleep", "600"])
    try:
        with pytest.raises(error), connect(Resources(gpus=0)):
            pass
        assert len(started) == 2
        while not all(map(has_ended, started)):
            time.sleep(0.05)  # a process that stays fails the test by its timeout
        assert not has_ended(own)
    finally:
        for process in (own, *started):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        for child in (own, started[0]):
            child.wait()


def test_variables_that_the_user_has_not_set_are_set_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN", "1")
    monkeypatch.delenv("UNSET", raising=False)
    with environment({"OWN": "2", "UNSET": "2"}):
        assert (os.environ["OWN"], os.environ["UNSET"]) == ("1", "2")
    assert os.environ["OWN"] == "1"
    assert "UNSET" not in os.environ


NICENESS = """
import os, sys, ray
from tune_s11.search.workers.cluster import Resources, connect

os.nice(int(sys.argv[1]))
with connect(Resources(gpus=0, workers=1)):
    print(ray.get(ray.remote(lambda: os.nice(0)).remote()) - os.nice(0))
"""


@pytest.mark.parametrize(
    ("driver", "set_by_user", "more"),
    [
        ("5", {}, "0"),
        pytest.param("0", {}, "0", marks=pytest.mark.slow),
        pytest.param("0", {"RAY_worker_niceness": "3"}, "3", marks=pytest.mark.slow),
    ],
)
def test_workers_run_at_the_priority_of_the_driver(driver: str, set_by_user: dict[str, str], more: str) -> None:
    """Unless the user's environment wants another one."""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_worker_niceness"} | set_by_user
    command = [sys.executable, "-c", NICENESS, driver]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.stdout.strip() == more, done.stderr


@pytest.fixture(scope="module")
def three_gpus(program) -> Iterator[str]:
    """Address of a cluster with three GPUs in name."""
    environment = program.environment | {"RAY_AUTH_MODE": "disabled"}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert holder.stdout is not None
    yield holder.stdout.readline().strip()
    holder.communicate("")


@pytest.mark.slow
def test_gpus_in_name_only_are_refused_before_the_first_trial(program, three_gpus: str) -> None:
    options = ("--lr-bounds", "0.01", "0.1", "--address", three_gpus)
    done = program.run("--space", str(program.space), "--name", "no", *options, code=2, RAY_AUTH_MODE="disabled")
    assert re.fullmatch(r"error: node [\d.]+: Ray gives it a GPU, but .*; expected --gpus 0, or .*\n", done.stderr)
    assert not (program.storage / "no").exists()


ON_CPUS = """
from tune_s11.cli.main import run_search
from tune_s11.hardware import choose_hardware
from tune_s11.search import session
from tune_s11.search.workers.executor import Executor


class OnCpus(Executor):
    def hardware(self, *, compiled=False):
        return choose_hardware(self.precision, self.workers.cpus, compiled=compiled, gpu=False)


session.Executor = OnCpus
session.check_nodes = lambda *_, **__: None
run_search()
"""
"""A search whose workers do not mind that their GPUs exist in name only."""


@pytest.fixture
def on_cpus(program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "script", ["-c", ON_CPUS])


@pytest.mark.slow
@pytest.mark.usefixtures("on_cpus")
def test_gpus_are_shared_out(program, three_gpus: str) -> None:
    """Two of the three, two trials on each."""
    long = ("--samples", "4", "--no-asha", "--set", "epochs=60", "--set", "refit.epochs=6")
    sharing = ("--gpus", "2", "--trials-per-gpu", "2", "--address", three_gpus)
    options = (*sharing, "--lr-bounds", "0.01", "0.1", "--set", "search.refit_seeds=1")
    program.run("--space", str(program.space), "--name", "pairs", *long, *options, RAY_AUTH_MODE="disabled")
    files = (program.storage / "pairs" / "trials").glob("t*/result.json")
    seen = Counter(json.loads(file.read_text().splitlines()[0])["gpu"] for file in files)
    assert sorted(seen.values()) == [2, 2]


@pytest.mark.slow
@pytest.mark.usefixtures("on_cpus")
def test_how_many_share_a_gpu_is_found_out(program, three_gpus: str) -> None:
    """One, two, ... workers on one of the three take turns at some steps."""
    wanted = ("--gpus", "1", "--trials-per-gpu", "auto", "--address", three_gpus)
    done = program.run("--space", str(program.space), "--dry-run", *wanted, RAY_AUTH_MODE="disabled")
    found = re.search(r"^trials per GPU: ([1-4]), the fastest by steps timed here$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    share = int(found[1])  # on a busy machine, more processes get more of its CPUs
    assert re.search(rf"; {share} workers?, each of \d+ CPUs? and {1 / share:g} GPU\n", done.stdout)
