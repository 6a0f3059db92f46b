"""What MLflow's own client reads of a search that was sent to it."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tune_s11.config import InputError
from tune_s11.results import SearchFolder
from tune_s11.tracking.follower import Follower
from tune_s11.tracking.record import SentRecord

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # MLflow's, on the newest SQLAlchemy
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # it closes no connection
]


@pytest.fixture(scope="module")
def library() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        from tune_s11.tracking import mlflow_runs

        yield mlflow_runs


@pytest.fixture(scope="module")
def made(library: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with MLflow's tables, which take seconds to make."""
    path = tmp_path_factory.mktemp("mlflow") / "made.db"
    library.MlflowClient(f"sqlite:///{path}")
    return f"sqlite:///{path}"


def send(library: Any, path: Path) -> Follower:
    folder = SearchFolder(path)
    tracker = library.MlflowTracker(folder)
    follower = Follower(folder, tracker, SentRecord(folder.tracked, "mlflow", tracker.destination))
    follower.send()
    return follower


def runs_of(client: Any, experiment: str) -> dict[str, Any]:
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id])
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {run.info.run_name: run for run in runs}


def test_runs_their_epochs_states_and_a_resumed_search(
    library: Any, made: str, search_path: Path, states: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", made)
    reports = search_path / "trials/t0000/result.json"
    whole = reports.read_text()
    reports.write_text(whole.splitlines(keepends=True)[0])
    follower = send(library, search_path)
    client = library.MlflowClient(made)
    assert runs_of(client, "own")["t0004"].info.status == "RUNNING"
    follower.leave()
    assert {runs_of(client, "own")[name].info.status for name in ("t0000", "t0004")} == {"KILLED"}
    reports.write_text(whole)
    send(library, search_path)

    runs = runs_of(client, "own")
    for name, (epochs, state) in states.items():
        run = runs[name]
        assert run.data.tags.get("state") == state
        assert run.info.status == {None: "RUNNING", "failed": "FAILED"}.get(state, "FINISHED")
        history = client.get_metric_history(run.info.run_id, "learning_rate")
        assert [metric.step for metric in history] == list(range(1, epochs + 1))
    trial, refit = runs["t0000"].data, runs["t0002-refit-0"].data
    assert trial.metrics["accuracy/validation_averaged"] == 0.81
    assert (trial.params["max_lr"], trial.params["seed"], trial.params["width"]) == ("0.2", "40", "2")
    assert (trial.tags["kind"], trial.tags["search"]) == ("trial", "own")
    scores = json.loads((search_path / "best/seed-0/scores.json").read_text())
    assert (refit.tags["kind"], refit.metrics["test_accuracy"]) == ("refit", scores["ema"])


def test_what_was_taken_while_the_answer_was_lost_is_not_sent_twice(
    library: Any, made: str, search_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", made)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "of the user's choice")
    send(library, search_path)
    tracked = search_path / "tracked.jsonl"
    lines = [json.loads(line) for line in tracked.read_text().splitlines()]
    known = [line for line in lines if line.get("run") != "t0004" or line["epoch"] == 0]
    tracked.write_text("".join(json.dumps(line) + "\n" for line in known))
    send(library, search_path)
    client = library.MlflowClient(made)
    run = runs_of(client, "of the user's choice")["t0004"]
    assert [metric.step for metric in client.get_metric_history(run.info.run_id, "learning_rate")] == [1, 2, 3]


def test_another_database_receives_the_whole_search(
    library: Any, made: str, search_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.db"
    shutil.copy(made.removeprefix("sqlite:///"), other)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "moved")
    for uri in (made, f"sqlite:///{other}", made):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        send(library, search_path)
    sent = [runs_of(library.MlflowClient(uri), "moved") for uri in (made, f"sqlite:///{other}")]
    assert sent[0].keys() == sent[1].keys()
    assert sent[0]["t0000"].info.run_id != sent[1]["t0000"].info.run_id


def test_a_path_that_an_sqlite_address_cannot_have(library: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^--track mlflow: .*/a\?b: the path must not contain a question mark$"):
        library.MlflowTracker(SearchFolder(tmp_path / "a?b")).check()


def test_where_the_runs_go(library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = library.MlflowTracker(SearchFolder(tmp_path / "own"))
    assert f"ui --backend-store-uri sqlite:///{tmp_path}/own/mlflow.db" in tracker.check()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@host/db")
    said = library.MlflowTracker(SearchFolder(tmp_path / "own")).check()
    assert "postgresql://host/db" in said
    assert "secret" not in said
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://me:secret@127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert "secret" not in library.MlflowTracker(SearchFolder(tmp_path / "own")).check()
    with pytest.raises(InputError, match=r"^--track mlflow: MLFLOW_TRACKING_URI http://127.*refused") as refused:
        library.MlflowTracker(SearchFolder(tmp_path / "own")).check()
    assert "secret" not in str(refused.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    with pytest.raises(InputError, match=r"must be sqlite:///FILE.* \(got \./mlruns\)$"):
        library.MlflowTracker(SearchFolder(tmp_path / "own")).check()
    assert list(tmp_path.iterdir()) == []
