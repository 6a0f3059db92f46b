"""What stands between trials is told from the moments at which their files were last written."""

import os
from pathlib import Path

import pytest

from benchmarks.scale.overhead import WORKERS, ratio, settings, span, turnovers
from tune_s11.results import SearchResult, TrialResult
from tune_s11.search_space import load_space
from tune_s11.training.metrics import EpochMetrics


def made_up(path: Path, trials: list[tuple[float, float]]) -> SearchResult:
    """A search whose trials trained for so many seconds until such a moment."""
    config = load_space("quick").with_overrides(settings(5, len(trials)))
    results = []
    for number, (seconds, end) in enumerate(trials):
        rows = [EpochMetrics(k, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, seconds / 2, 1e5, False) for k in (1, 2)]
        results.append(TrialResult(number, {}, config.recipe, 0, None, rows, "complete"))
        folder = path / "trials" / results[-1].name
        folder.mkdir(parents=True)
        (folder / "result.json").touch()
        os.utime(folder / "result.json", (end, end))
    return SearchResult(path, config, {}, results)


def test_each_trial_follows_the_one_that_ended_last_before_it(tmp_path: Path) -> None:
    found = made_up(tmp_path, [(10, 110), (12, 112), (10, 120.5), (10, 123), (10, 131)])
    assert WORKERS == 2
    assert span(found.path, found.trials[0]) == (100, 110)
    assert turnovers(found) == pytest.approx([0.5, 1.0, 0.5])


def test_wall_time_over_training_time(tmp_path: Path) -> None:
    assert ratio(made_up(tmp_path / "dense", [(10, 110), (10, 110), (10, 120), (10, 120)])) == pytest.approx(1.0)
    assert ratio(made_up(tmp_path / "loose", [(10, 110), (10, 110), (10, 122), (10, 122)])) == pytest.approx(1.1)
