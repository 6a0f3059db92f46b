"""Whole searches that are tracked: interrupted, resumed, with a server that goes away, read by all of MLflow."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tracking.wandb_files import wandb_runs
from tune_s11.results import load_search

pytestmark = pytest.mark.slow

SHORT = ("--lr-bounds", "0.05", "0.5", "--set", "search.finalists=0", "--set", "search.refit_seeds=1", "--workers", "1")


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_search_that_is_resumed_continues_its_runs(program: Any, reaped: Callable[[Any], Any]) -> None:
    options = ("--space", str(program.space), "--name", "resumed", "--samples", "3", "--set", "epochs=80", "--no-asha")
    running = reaped(program.start(*options, *SHORT, "--set", "refit.epochs=3", "--track", "wandb"))
    tracked = program.storage / "resumed" / "tracked.jsonl"
    program.wait_for(lambda: running.poll() is not None or any(line.get("epoch") for line in lines_of(tracked)))
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=120) == 130, program.output.read_text()
    unfinished = [line for line in lines_of(tracked) if "run" in line][-1]
    assert unfinished["state"] is None

    said = program.run("--resume", "resumed")
    assert said.stdout.count("wandb: ") == 1
    search = load_search("resumed", program.storage)
    runs = wandb_runs(search.folder)
    assert len(list(search.folder.wandb.glob(f"*-{unfinished['id']}"))) == 2
    for trial in search.trials:
        run = runs.pop(trial.name)
        assert (run["steps"], run["summary"]["state"]) == (list(range(1, 81)), "complete")
        assert (run["exit"], run["preempted"]) == (0, False)
    assert search.winner is not None
    assert list(runs) == [f"{search.winner.name}-refit-0"]


class Server:
    """All of MLflow, of the client's version, in an environment of its own: it does not go with the pins."""

    def __init__(self, database: str) -> None:
        from mlflow.version import VERSION

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address, self._log = f"http://127.0.0.1:{port}", Path(database).with_suffix(".log")
        uv = ["uv", "run", "--quiet", "--isolated", "--no-project", "--python", sys.executable, "--with"]
        serve = ["mlflow", "server", "--workers", "1", "--port", str(port)]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*uv, f"mlflow=={VERSION}", *serve, "--backend-store-uri", f"sqlite:///{database}"],
                stdout=log,
                stderr=log,
                env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
                start_new_session=True,
            )

    def up(self) -> bool:
        if self._process.poll() is not None:
            pytest.skip(f"all of MLflow cannot be installed or started: {self._log.read_text()[-300:]}")
        try:
            return self.get("/health") == b"OK"
        except OSError:
            return False

    def get(self, path: str, body: dict[str, Any] | None = None) -> bytes:
        asked = urllib.request.Request(self.address + path, headers={"Content-Type": "application/json"})
        asked.data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return bytes(answer.read())

    def stop(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def serve(program: Any) -> Iterator[Callable[[str], Server]]:
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    servers: list[Server] = []

    def start(database: str) -> Server:
        servers.append(Server(database))
        program.wait_for(servers[-1].up, 500)
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def test_all_of_mlflow_shows_the_file(program: Any, serve: Callable[[str], Server]) -> None:
    program.run("--space", str(program.space), "--name", "shown", "--samples", "2", *SHORT, "--track", "mlflow")
    search = load_search("shown", program.storage)
    server = serve(str(search.folder.mlflow))
    assert b"<html" in server.get("/")
    asked = {"filter": "name = 'shown'", "max_results": 10}
    (experiment,) = json.loads(server.get("/api/2.0/mlflow/experiments/search", asked))["experiments"]
    found = json.loads(server.get("/api/2.0/mlflow/runs/search", {"experiment_ids": [experiment["experiment_id"]]}))
    states = {
        run["info"]["run_name"]: {tag["key"]: tag["value"] for tag in run["data"]["tags"]}["state"]
        for run in found["runs"]
    }
    assert states.items() >= {trial.name: trial.state for trial in search.trials}.items()
    assert len(states) == len(search.trials) + 1


def test_a_server_that_goes_away_ends_no_search_and_gets_the_rest_later(
    program: Any, serve: Callable[[str], Server], tmp_path: Path, reaped: Callable[[Any], Any]
) -> None:
    database = str(tmp_path / "server.db")
    server = serve(database)
    program.environment |= {"MLFLOW_TRACKING_URI": server.address, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    options = ("--space", str(program.space), "--name", "away", "--samples", "3", "--set", "epochs=80", "--no-asha")
    running = reaped(program.start(*options, *SHORT, "--set", "refit.epochs=3", "--track", "mlflow"))
    tracked = program.storage / "away" / "tracked.jsonl"
    program.wait_for(lambda: running.poll() is not None or any(line.get("epoch") for line in lines_of(tracked)))
    server.stop()
    assert running.wait(timeout=500) == 0
    said = program.output.read_text()
    assert said.count("--track mlflow: ") == 1, said
    assert said.count("; the search continues without it, --resume sends the rest") == 1

    server = serve(database)
    program.run("--resume", "away", MLFLOW_TRACKING_URI=server.address)
    ended = {line["run"]: line["epoch"] for line in lines_of(tracked) if line.get("state")}
    assert len(ended) == 4
    assert [ended[f"t000{number}"] for number in range(3)] == [80] * 3
