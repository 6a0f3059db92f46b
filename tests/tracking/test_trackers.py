"""Trackers that are not there."""

import importlib.metadata
from pathlib import Path

import pytest

from tune_s11.config import InputError
from tune_s11.tracking.trackers import check_installed, tracker_name


def test_a_folder_called_wandb_is_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    check_installed("wandb")
    (tmp_path / "wandb").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(InputError, match=r"^--track wandb: is not installed; .*'tune-s11\[wandb\]'$"):
        check_installed("wandb")


def test_names() -> None:
    assert [tracker_name(text) for text in ("wandb", "mlflow", "none", None)] == ["wandb", "mlflow", None, None]
