"""The process beside a search, with the real libraries: what becomes of one that fails or hangs."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tune_s11.config import InputError
from tune_s11.results import SearchFolder
from tune_s11.tracking.process import Tracking
from tune_s11.tracking.trackers import TrackerName


@pytest.mark.parametrize(
    ("name", "environment", "words"),
    [
        ("wandb", {"WANDB_MODE": "online"}, "needs an API key"),
        ("wandb", {"WANDB_MODE": "online", "WANDB_API_KEY": "short"}, "WANDB_API_KEY"),
        ("wandb", {"WANDB_MODE": "sometimes"}, "mode"),
        ("mlflow", {"MLFLOW_TRACKING_URI": "mlruns"}, "must be sqlite:///FILE"),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_is_written(
    name: TrackerName, environment: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    with (
        pytest.raises(InputError, match=f"^--track {name}: .*{words}") as refused,
        Tracking(name, SearchFolder(tmp_path / "own"), pytest.fail),
    ):
        pytest.fail("it was not refused")
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_one_line_where_the_tracker_fails(search_path: Path) -> None:
    folder, said = SearchFolder(search_path), list[str]()
    folder.mlflow.write_text("not a database")
    with Tracking("mlflow", folder, said.append) as tracking:
        tracking.begin()
        wait_for(lambda: len(said) == 2)  # while the search is under way
    assert said[1].startswith("--track mlflow: ")
    assert said[1].endswith("; the search continues without it, --resume sends the rest")
    assert len(said) == 2


def test_one_line_where_its_process_dies(search_path: Path) -> None:
    said = list[str]()
    with Tracking("wandb", SearchFolder(search_path), said.append) as tracking:
        tracking.begin()
        os.kill(tracking._process.pid, signal.SIGKILL)
    assert said[1:] == ["--track wandb: its process has died; the search continues without it, --resume sends the rest"]


@pytest.fixture
def silent_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An MLflow server that takes requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        yield


@pytest.mark.usefixtures("silent_server")
def test_a_tracker_that_hangs_is_given_up_at_the_end(search_path: Path) -> None:
    said = list[str]()
    with Tracking("mlflow", SearchFolder(search_path), said.append, patience=0.5) as tracking:
        tracking.begin()
    assert said[1:] == [
        "--track mlflow: has accepted nothing for 0.5 s; the search continues without it, --resume sends the rest"
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("silent_server")
def test_an_interrupted_search_does_not_wait_for_a_tracker_that_hangs(
    search_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = list[str]()
    monkeypatch.setattr("tune_s11.tracking.process.HURRY", 0.5)
    tracking = Tracking("mlflow", SearchFolder(search_path), said.append).__enter__()
    tracking.begin()
    tracking.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert len(said) == 1
    assert tracking._process.returncode == -signal.SIGKILL


DRIVER = """
import sys, time
from pathlib import Path
from tune_s11.results import SearchFolder
from tune_s11.tracking.process import Tracking

with Tracking("wandb", SearchFolder(Path(sys.argv[1])), print) as tracking:
    tracking.begin()
    print(tracking._process.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_a_search_that_is_killed_leaves_no_process(search_path: Path) -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(search_path)], stdout=subprocess.PIPE, text=True)
    with driver:
        assert driver.stdout is not None
        driver.stdout.readline()
        process = int(driver.stdout.readline())
        driver.kill()
    wait_for(lambda: not Path(f"/proc/{process}").exists())


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
