"""What W&B's library writes of a search that was sent to it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tracking.wandb_files import wandb_runs
from tune_s11.results import SearchFolder
from tune_s11.tracking.process import tracked


def test_wandb_offline_over_two_sessions(
    search_path: Path, states: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "here" / "wandb").mkdir(parents=True)  # as W&B leaves it in the working directory
    monkeypatch.chdir(tmp_path / "here")
    folder, said = SearchFolder(search_path), list[str]()
    reports = search_path / "trials/t0000/result.json"
    whole = reports.read_text()
    reports.write_text(whole.splitlines(keepends=True)[0])
    for content in (whole.splitlines(keepends=True)[0], whole):
        reports.write_text(content)
        with tracked("wandb", folder, said.append) as begin:
            begin()
    assert (
        said
        == [f"wandb: project tune_s11, group own; offline, send it with: wandb sync {folder.wandb}/offline-run-*"] * 2
    )
    runs = wandb_runs(folder)
    for name, (epochs, state) in states.items():
        run = runs[name]
        assert (run["steps"], run["summary"].get("state")) == (list(range(1, epochs + 1)), state)
        assert (run["project"], run["group"]) == ("tune_s11", "own")
        assert (run["exit"], run["preempted"]) == ({None: 1, "failed": 1}.get(state, 0), state is None)
    assert runs["t0000"]["kind"] == "trial"
    assert runs["t0000"]["summary"]["accuracy/validation_averaged"] == 0.81
    assert (runs["t0000"]["config"]["max_lr"], runs["t0000"]["config"]["seed"]) == (0.2, 40)
    scores = json.loads((search_path / "best/seed-0/scores.json").read_text())
    assert runs["t0002-refit-0"]["summary"]["test_accuracy"] == scores["ema"]
    assert list((tmp_path / "here").rglob("*")) == [tmp_path / "here" / "wandb"]
