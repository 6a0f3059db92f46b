"""Who gets what of the machine; four GPUs that exist in name only are shared out as real ones would be."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from tune_s11.config import InputError
from tune_s11.search.cluster import Workers, plan_workers

HOLD = """
import ray, sys
context = ray.init(address="local", num_cpus=4, num_gpus=4, include_dashboard=False)
print(context.address_info["gcs_address"], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("cpus", "present", "gpus", "workers", "share", "plan"),
    [
        (2, 0, None, None, 1, Workers(2, 1, 0)),
        (16, 0, None, 4, 1, Workers(4, 4, 0)),
        (1, 0, None, None, 1, Workers(1, 1, 0)),
        (16, 4, None, None, 1, Workers(4, 4, 1)),
        (16, 4, 2, None, 1, Workers(2, 8, 1)),
        (16, 4, 4, None, 2, Workers(8, 2, 0.5)),
        (2, 4, None, None, 1, Workers(4, 1, 1)),
        (16, 4, 0, 2, 1, Workers(2, 8, 0)),
    ],
)
def test_plan(cpus: int, present: int, gpus: int | None, workers: int | None, share: int, plan: Workers) -> None:
    assert plan_workers(cpus, present, gpus, workers, share) == plan


def test_more_than_there_is() -> None:
    with pytest.raises(InputError, match="--gpus 4: there are 2; allowed is 0 to 2"):
        plan_workers(8, 2, 4, None, 1)
    with pytest.raises(InputError, match="--workers 9: allowed is at most the 8 CPUs"):
        plan_workers(8, 0, None, 9, 1)


@pytest.fixture(scope="module")
def four_gpus(program) -> Iterator[str]:
    """Address of a cluster with four GPUs in name."""
    environment = program.environment | {"RAY_AUTH_MODE": "disabled"}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    assert holder.stdout is not None
    yield holder.stdout.readline().strip()
    holder.communicate("")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--gpus", "4"], {"0": 1, "1": 1, "2": 1, "3": 1}),
        (["--gpus", "2", "--trials-per-gpu", "2"], {"0": 2, "1": 2}),
    ],
    ids=["one trial a GPU", "two trials a GPU"],
)
def test_gpus_are_shared_out(program, four_gpus: str, options: list[str], expected: dict[str, int]) -> None:
    name = "-".join(options).strip("-")
    long = ("--set", "epochs=60", "--lr-bounds", "0.01", "0.1", "--set", "search.refit_seeds=1")
    arguments = ("--space", str(program.space), "--name", name, "--samples", "4", "--no-asha", "--address", four_gpus)
    program.run(*arguments, *long, *options, RAY_AUTH_MODE="disabled")
    seen = Counter()
    for file in (program.storage / name / "trials").glob("t*/result.json"):
        seen[json.loads(file.read_text().splitlines()[0])["gpu"]] += 1
    assert len(seen) == len(expected)
    assert sorted(seen.values()) == sorted(expected.values())
