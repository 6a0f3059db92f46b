"""Who gets what of the machine; three GPUs that exist in name only are shared out as real ones would be."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_s11.config import InputError
from tune_s11.search.workers.cluster import Node, Workers, _most_on_a_gpu, environment, plan_workers

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
def test_how_many_share_a_gpu_is_found_out(program, three_gpus: str) -> None:
    """One, two, ... workers on one of the three take turns at some steps."""
    wanted = ("--gpus", "1", "--trials-per-gpu", "auto", "--address", three_gpus)
    done = program.run("--space", str(program.space), "--dry-run", *wanted, RAY_AUTH_MODE="disabled")
    share = re.search(r"^trials per GPU: ([12]), the fastest by steps timed here$", done.stdout, re.MULTILINE)
    assert share
    there = {"1": r"1 worker, each of \d+ CPUs? and 1 GPU", "2": r"2 workers, each of \d+ CPUs? and 0\.5 GPU"}
    assert re.search(f"; {there[share[1]]}\n", done.stdout)
