"""The commands of cluster/README.md, word for word, on machines that are namespaces."""

import re
from pathlib import Path

import pytest

from tune_s11.results import load_search

ROOT = Path(__file__).parents[2]


def commands(words: str) -> str:
    """The first block of commands after these words."""
    text = (ROOT / "cluster" / "README.md").read_text()
    found = re.search(r"```sh\n(.*?)```", text[text.index(words) :], re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.netns
def test_machines_of_your_own_and_a_job(network) -> None:
    (network.mnt / "results").mkdir()
    first, other = network.machine(), network.machine()
    assert first.address == "10.77.0.1"
    first.run(commands("becomes the head"), network.mnt / "head.log")
    other.run(commands("Each of the others"), network.mnt / "other.log")

    said = other.run(commands("A small search"), network.mnt / "search.log", cwd=ROOT)
    assert "more as nodes join" in said
    refit = load_search("first", network.mnt / "results").refit
    assert refit is not None
    assert (network.mnt / "results" / "first" / "report" / "index.html").exists()

    job = commands("As a job")
    said = first.run(job.replace("--storage /mnt/results", ""), network.mnt / "refused.log", cwd=ROOT, code=1)
    assert "--storage results: is inside this Ray job's temporary copy of the working directory" in said
    said = first.run(job, network.mnt / "job.log", cwd=ROOT)
    assert "succeeded" in said
    refit = load_search("job", network.mnt / "results").refit
    assert refit is not None
