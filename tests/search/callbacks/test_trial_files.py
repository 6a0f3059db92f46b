"""What is kept of each trial is on disk as soon as Tune calls."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tune_s11.results.folder import TrialFolder
from tune_s11.search.callbacks.trial_files import TrialFiles


@pytest.fixture
def trial(tmp_path: Path) -> Any:
    errors = tmp_path / "tune-error.txt"
    errors.write_text("ValueError: no\n")
    storage = SimpleNamespace(trial_fs_path=str(tmp_path / "trials" / "t0003"))
    return SimpleNamespace(config={"number": 3, "max_lr": 0.1}, storage=storage, error_file=str(errors))


def test_parameters_and_reports(trial: Any) -> None:
    files, folder = TrialFiles(), TrialFolder(Path(trial.storage.trial_fs_path))
    files.on_trial_start(0, [], trial)
    assert json.loads(folder.params.read_text()) == trial.config
    assert not folder.reports.exists()
    for epoch in (1, 2):
        files.on_trial_result(0, [], trial, {"epoch": epoch, "path": Path("a")})
    assert [json.loads(line) for line in folder.reports.read_text().splitlines()] == [
        {"epoch": 1, "path": "a"},
        {"epoch": 2, "path": "a"},
    ]


def test_an_error_that_is_recovered_from_is_no_final_one(trial: Any) -> None:
    folder = TrialFolder(Path(trial.storage.trial_fs_path))
    TrialFiles().on_trial_recover(0, [], trial)  # before the trial has started
    assert folder.recovered.read_text() == "ValueError: no\n"
    assert not Path(trial.error_file).exists()
    assert not folder.error.exists()
    assert folder.params.exists()


def test_a_final_error(trial: Any) -> None:
    folder = TrialFolder(Path(trial.storage.trial_fs_path))
    for text in ("first\n", "second\n"):
        Path(trial.error_file).write_text(text)
        TrialFiles().on_trial_error(0, [], trial)
    assert folder.error.read_text() == "second\n"
