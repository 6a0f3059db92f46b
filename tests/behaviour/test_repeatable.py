"""The same seed on one worker: the same search, bit for bit, whoever else has used the worker's process."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tune_s11.results import SearchResult, load_search

WITHOUT_REUSE = """
import sys
from ray import tune
from tune_s11.cli.main import run_search
Config = tune.TuneConfig
tune.TuneConfig = lambda **chosen: Config(**{**chosen, "reuse_actors": False})
run_search()
"""


def told(search: SearchResult) -> list[Any]:
    """All of a search but its times and where it ran."""
    assert search.refit is not None
    trials = [
        (trial.params, trial.state, [replace(row, seconds=0, images_per_second=0) for row in trial.rows])
        for trial in search.trials
    ]
    return [trials, search.bounds, search.finalists, search.refit.runs]


@pytest.fixture(scope="module")
def first(program: Any) -> list[Any]:
    program.run("--space", str(program.space), "--name", "first", "--workers", "1", "--seed", "7")
    return told(load_search("first", program.storage))


@pytest.mark.slow
def test_in_a_fresh_process(program: Any, first: list[Any]) -> None:
    program.run("--space", str(program.space), "--name", "again", "--workers", "1", "--seed", "7")
    assert told(load_search("again", program.storage)) == first


@pytest.mark.slow
def test_in_a_fresh_worker_for_each_trial(program: Any, first: list[Any], tmp_path: Path) -> None:
    script = tmp_path / "without_reuse.py"
    script.write_text(WITHOUT_REUSE)
    _, _, *arguments = program.command(
        "--space", str(program.space), "--name", "fresh", "--workers", "1", "--seed", "7"
    )
    subprocess.run([sys.executable, str(script), *arguments], check=True, env=program.environment, timeout=560)
    search = load_search("fresh", program.storage)
    assert told(search) == first
    assert len({span.worker for trial in search.trials for span in trial.spans}) == len(search.trials)
