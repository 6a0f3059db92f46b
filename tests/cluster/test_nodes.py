"""Nodes that come and go under a search, searches side by side, and what a cluster refuses; a cluster with a token."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tune_s11.results import load_search

ROOT = Path(__file__).parents[2]

SHORT = ("--lr-bounds", "0.01", "0.2", "--set", "search.finalists=0", "--set", "search.refit_seeds=1")

OBJECTS = """
import sys, ray
from ray.util.state import list_objects
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
print(len({each.object_id for each in list_objects(limit=1000) if each.object_size > 200_000}))
"""
"""How many objects there are that hold images: 1,437 of 192 bytes; everything else is smaller."""


def arguments(program: Any, nodes: Any, name: str, *more: str) -> tuple[str, ...]:
    return ("--space", str(program.space), "--name", name, "--address", nodes.address, *SHORT, *more)


@pytest.fixture
def joined(program, nodes):
    """The program, whose searches join the cluster with the token."""
    program.environment |= {name: nodes.environment[name] for name in ("HOME", "RAY_AUTH_MODE", "RAY_TMPDIR")}
    return program


@pytest.mark.slow
def test_a_node_that_comes_gets_a_trial_and_one_that_goes_loses_none(joined, nodes) -> None:
    long = ("--no-asha", "--samples", "3", "--set", "epochs=200", "--set", "refit.epochs=3")
    nodes.add("first")
    running = joined.start(*arguments(joined, nodes, "elastic", *long))
    trials = joined.storage / "elastic" / "trials"
    joined.wait_for(lambda: all((trials / f"t000{number}" / "result.json").exists() for number in (0, 1)))
    assert not (trials / "t0002" / "params.json").exists()

    nodes.add("second")
    begun = time.monotonic()
    joined.wait_for(lambda: (trials / "t0002" / "params.json").exists())
    print(f"the node that joined had a trial after {time.monotonic() - begun:.1f} s")
    nodes.remove("first")
    assert running.wait(timeout=300) == 0, joined.output.read_text()
    nodes.remove("second")

    said = joined.output.read_text()
    assert "2 workers, each of 1 CPU, more as nodes join" in said
    assert len(re.findall(r"t\d{4} resumes from its last checkpoint", said)) == 1
    search = load_search("elastic", joined.storage)
    assert [(trial.state, len(trial.rows)) for trial in search.trials] == [("complete", 200)] * 3
    assert search.refit is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "part", "settings"),
    [
        ("_train_cycle", "range test: cycle at max_lr", ("epochs=400", "search.samples=1", "refit.epochs=20")),
        ("run_again", "finalist t", ("epochs=60", "search.samples=2", "search.finalists=2", "refit.epochs=6")),
        ("_refit", "refit from seed", ("refit.epochs=200", "search.samples=1")),
    ],
)
def test_a_node_lost_under_another_stage_costs_nothing_of_it(
    joined, nodes, task: str, part: str, settings: tuple[str, ...]
) -> None:
    name = task.strip("_")
    more = ["--no-asha"] if task == "_train_cycle" else ["--no-asha", "--lr-bounds", "0.01", "0.2"]
    for setting in settings:
        more += ["--set", setting]
    nodes.add(name)
    running = joined.start("--space", str(joined.space), "--name", name, "--address", nodes.address, *more)
    joined.wait_for(lambda: nodes.busy_with(task) == 2, 500)  # one of them on the node, for each has a single CPU
    nodes.remove(name)
    assert running.wait(timeout=500) == 0, joined.output.read_text()
    said = joined.output.read_text()
    assert f"{part}" in said
    assert len(re.findall(f"{part}.* runs again: ", said)) == 1
    search = load_search(name, joined.storage)
    assert search.refit is not None
    assert search.refit.test_accuracy.n == 2
    assert search.finalists is None or {len(row.scores) for row in search.finalists.trials.values()} == {2}


IN_THE_SAME_SECOND = """
import ray.tune.utils

ray.tune.utils.date_str = lambda: "2026-01-01_00-00-00"  # Ray names the folder where it stages a search's files so
from tune_s11.cli.main import run_search

run_search()
"""


@pytest.mark.landing
def test_two_searches_share_the_workers_and_one_copy_of_the_images_each(joined, nodes) -> None:
    nodes.add("other")
    names = ("left", "right")
    long = ("--workers", "1", "--samples", "2", "--set", "epochs=60", "--set", "refit.epochs=6", "--no-asha")
    running = []
    joined.script = ["-c", IN_THE_SAME_SECOND]
    for name in names:
        joined.output = joined.storage.parent / f"{name}.log"
        running.append(joined.start(*arguments(joined, nodes, name, *long)))
    begun = [joined.storage / name / "trials" / "t0000" / "result.json" for name in names]
    joined.wait_for(lambda: all(file.exists() for file in begun))
    counted = subprocess.run(
        [sys.executable, "-c", OBJECTS, nodes.address], env=nodes.environment, capture_output=True, text=True
    )
    assert counted.stdout.strip() == "2", counted.stderr
    assert [process.wait(timeout=300) for process in running] == [0, 0]
    nodes.remove("other")
    for name in names:
        search = load_search(name, joined.storage)
        assert [trial.state for trial in search.trials] == ["complete"] * 2
        assert all([epoch.epoch for epoch in trial.rows] == list(range(1, 61)) for trial in search.trials)
        assert search.refit is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--workers", "3"), ["--workers 3", "at most the 1 CPUs", "Ray has 1 node of 1 CPU"]),
        (("--gpus", "2"), ["--gpus 2", "there are 0", "Ray has 1 node of 1 CPU"]),
    ],
    ids=" ".join,
)
def test_what_the_cluster_lacks_is_said_at_once(joined, nodes, more: tuple[str, ...], words: list[str]) -> None:
    refused = joined.run(*arguments(joined, nodes, "refused", *more), code=2)
    assert refused.stdout == ""
    assert refused.stderr.count("\n") == 1
    assert all(word in refused.stderr for word in words)
    assert not (joined.storage / "refused").exists()


@pytest.mark.slow
def test_a_job_from_the_checkout_that_a_search_has_just_used(joined, nodes, tmp_path: Path) -> None:
    """Its output goes into the checkout while Ray packs that: it must not be part of what is packed."""
    checkout = tmp_path / "checkout"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for file in tracked.rstrip("\0").split("\0"):
        (checkout / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, checkout / file)
    joined.script = [str(checkout / "run_search.py")]
    searched = joined.run(*arguments(joined, nodes, "before", "--samples", "1"))
    dashboard = re.search(r"dashboard: (\S+)", searched.stdout)
    assert dashboard is not None

    job = ["--storage", str(joined.storage), "--no-report", "--space", str(joined.space), "--samples", "1", *SHORT]
    submit = ["ray", "job", "submit", "--address", dashboard[1], "--working-dir", ".", "--", "python", "run_search.py"]
    with (checkout / "job.log").open("w") as output:
        subprocess.run(
            [*submit, "--name", "job", *job],
            cwd=checkout,
            env=nodes.environment,
            stdout=output,
            stderr=output,
            check=False,
        )
    said = (checkout / "job.log").read_text()
    assert "succeeded" in said, said
    assert load_search("job", joined.storage).refit is not None


ASK = """
import sys
from pathlib import Path
import numpy as np, ray
from tune_s11.config import Recipe
from tune_s11.data import Images
from tune_s11.search.workers.cluster import _join, alive_nodes
from tune_s11.search.workers.preflight import check_nodes
from tune_s11.training.trainer import TrainingData

_join(sys.argv[1])
images = [Images(np.full((4, 8, 8, 3), value, np.uint8), np.arange(4)) for value in (1, 2)]
sent, other = (TrainingData(images[which], images[0], 4, (0.5,) * 3, (0.2,) * 3) for which in (0, 1))
folder = Path(sys.argv[2])
recipe = Recipe(width=2, image_size=8, pad=1, cutout=2)
check_nodes(alive_nodes(), folder / "not" / "there", recipe, sent, ray.put(sent))
assert list(folder.iterdir()) == []
check_nodes(alive_nodes(), folder, recipe, other, ray.put(sent))
"""


@pytest.mark.slow
def test_images_that_differ_on_a_node_are_refused_and_nothing_is_left(nodes, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASK, nodes.address, str(tmp_path)]
    asked = subprocess.run(command, capture_output=True, text=True, env=nodes.environment)
    assert re.search(
        r"InputError: node [\d.]+: its images have the fingerprint [0-9a-f]{16}, here it is", asked.stderr
    ), asked.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_another_token_is_refused(joined, nodes) -> None:
    refused = joined.run(*arguments(joined, nodes, "refused"), code=2, RAY_AUTH_TOKEN="0" * 64)
    assert refused.stderr.count("\n") == 1
    assert f"--address {nodes.address}" in refused.stderr
    assert "token" in refused.stderr
