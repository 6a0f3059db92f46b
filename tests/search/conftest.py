"""A study on disk, and the made-up search of the report's tests."""

from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution

from tests.report.made_up import images, pristine, search_path
from tune_s11.config import SearchSettings
from tune_s11.search.study import open_study

__all__ = ["images", "journal", "pristine", "search_path"]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The file of a study with three finished trials of six epochs."""
    path = tmp_path / "study.log"
    study = open_study(path, SearchSettings(samples=4))
    for score in (0.5, 0.7, 0.6):
        trial = study.ask({"momentum": FloatDistribution(0.8, 0.98)})
        for epoch in range(1, 7):
            trial.report(score, epoch)
        study.tell(trial, score)
    return path
