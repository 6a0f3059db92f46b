"""Where LRMAX is searched: the space file's words, a range test's, or those of one that ran before."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.distributions import FloatDistribution

from tune_s11.lr_finder import LRCurve, find_bounds, ramp
from tune_s11.search import bounds
from tune_s11.search.cluster import Workers
from tune_s11.search_space import SearchConfig, load_space

LRS = ramp("exponential", 1e-4, 10, 100)
FALLING = LRCurve(LRS, np.linspace(2.3, 1.0, 100)[None])
CONFIG = load_space("quick")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[LRCurve]:
    """The curves that were measured."""
    curves: list[LRCurve] = []

    def measure(*_: Any) -> LRCurve:
        curves.append(FALLING)
        return FALLING

    monkeypatch.setattr(bounds, "measure_curve", measure)
    return curves


def bounded(folder: Path, config: SearchConfig, told: list[str]) -> Any:
    workers: Any = Workers(2, 1, 0, 2)
    data: Any = None
    return bounds.bounded_space(folder / "lr_range.json", config, data, workers, "fp32", told.append)


def test_the_range_test_bounds_the_space_and_says_what_comes_first(tmp_path: Path, measured: list[LRCurve]) -> None:
    told: list[str] = []
    space, first = bounded(tmp_path, CONFIG, told)
    expected = find_bounds(FALLING)
    assert space["max_lr"] == FloatDistribution(expected.low, expected.high, log=True)
    assert {name: space[name] for name in space if name != "max_lr"} == {
        name: domain for name, domain in CONFIG.space.items() if name != "max_lr"
    }
    assert first["max_lr"] == expected.suggestion
    assert first["max_lr"] * first["min_lr_fraction"] == pytest.approx(expected.min_lr)
    assert first["epochs"] == CONFIG.recipe.epochs
    assert len(told) == 1
    assert f"LRMAX between {expected.low:.3g} and {expected.high:.3g}" in told[0]
    assert len(measured) == 1


def test_a_curve_that_is_there_is_not_measured_again(tmp_path: Path, measured: list[LRCurve]) -> None:
    told: list[str] = []
    assert bounded(tmp_path, CONFIG, told) == bounded(tmp_path, CONFIG, told)
    assert (len(measured), len(told)) == (1, 1)


def test_bounds_of_ones_own_need_no_range_test(tmp_path: Path, measured: list[LRCurve]) -> None:
    space, first = bounded(tmp_path, CONFIG.with_lr_bounds(0.05, 1.0), [])
    assert space["max_lr"] == FloatDistribution(0.05, 1.0, log=True)
    assert first == CONFIG.recipe.model_dump()
    assert not measured
    assert not list(tmp_path.iterdir())


def test_lrmin_first_is_never_above_lrmax(tmp_path: Path, measured: list[LRCurve]) -> None:
    plain = {"low": 0.01, "high": 0.3, "suggestion": 0.1, "min_lr": 0.5, "reasons": {}}
    (tmp_path / "lr_range.json").write_text(json.dumps({"curve": FALLING.to_dict(), "bounds": plain}))
    _, first = bounded(tmp_path, CONFIG, [])
    assert (first["max_lr"], first["min_lr_fraction"]) == (0.1, 1.0)
    assert not measured
