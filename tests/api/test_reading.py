"""Searches and winners as Python reads them."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

import tune_s11
from tune_s11.config import InputError


def test_load_search_has_the_trials_as_a_table(finished: Path) -> None:
    search = tune_s11.load_search("own", finished.parent)
    assert (search.name, search.path, search.winner) == ("own", finished, "t0002")
    assert isinstance(search.trials, pd.DataFrame)
    assert search.trials.index.name == "trial"
    assert list(search.trials.columns) == ["state", "epoch", "score", "seed", "max_lr", "momentum"]
    assert search.trials.loc["t0002"].to_dict() == {
        **{"state": "complete", "epoch": 6, "score": 0.84, "seed": 42},
        **{"max_lr": pytest.approx(0.4), "momentum": 0.95},
    }
    assert list(search.trials.index[:2]) == ["t0002", "t0000"]
    assert search.trials["score"].isna().tolist() == [name == "t0005" for name in search.trials.index]
    assert search.recipe is not None
    assert search.recipe.width == 3
    assert search.test_accuracy is not None
    assert search.test_accuracy.n == 2
    assert tune_s11.load_search(None, str(finished.parent)).name == "own"


def test_a_search_that_has_just_begun(finished: Path) -> None:
    for name in ("trials", "best"):
        shutil.rmtree(finished / name)
    search = tune_s11.load_search(finished, finished.parent)
    assert len(search.trials) == 0
    assert list(search.trials.columns) == ["state", "epoch", "score", "seed", "max_lr", "momentum"]
    assert (search.winner, search.recipe, search.test_accuracy) == (None, None, None)
    with pytest.raises(InputError, match="own: has no winner yet"):
        tune_s11.load_best(finished)
    with pytest.raises(InputError, match="nobody: no such search"):
        tune_s11.load_search("nobody", finished.parent)


def test_load_best_classifies(finished: Path) -> None:
    model = tune_s11.load_best("own", finished.parent)
    probabilities = model(torch.zeros((2, 3, 32, 32), dtype=torch.uint8))
    assert probabilities.shape == (2, 3)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(2))


def test_refits_that_are_missing_are_none_and_damaged_ones_an_error(finished: Path) -> None:
    metrics = finished / "best" / "metrics.json"
    metrics.write_text("{")
    with pytest.raises(InputError, match=r"metrics\.json is damaged$"):
        tune_s11.load_search("own", finished.parent)
    metrics.unlink()
    assert tune_s11.load_search("own", finished.parent).test_accuracy is None
