"""Command lines run in this process: the environment that they leave, and the made-up search of the report's tests."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.isolation import own_environment
from tests.report.made_up import images, pristine, pristine_run, search_path, tested_path, validated_path
from tests.winner.finished import finished, own_network
from tune_s11.cli import main

__all__ = [
    "finished",
    "images",
    "own_environment",
    "own_network",
    "pristine",
    "pristine_run",
    "search_path",
    "tested_path",
    "validated_path",
]

Tune = Callable[..., str]


@pytest.fixture
def tune(finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tune:
    """Runs a command in the folder that holds ``results/own``, and returns what it prints."""
    monkeypatch.chdir(finished.parent.parent)

    def tune(*arguments: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["tune-s11", *arguments])
        with pytest.raises(SystemExit) as exit:
            main.main()
        out, err = capsys.readouterr()
        assert exit.value.code == code, err
        assert (err.count("\n"), out) == (1, "") if code else err == ""
        return err if code else out

    return tune
