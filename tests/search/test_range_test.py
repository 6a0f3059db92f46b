"""Where LRMAX is searched: the space file's words, a range test's, or those of one that ran before."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.distributions import FloatDistribution
from rich.console import Console

from tune_s11.config import Recipe
from tune_s11.lr_range.bounds import find_bounds
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.measuring import ramp
from tune_s11.lr_range.suggestions import SUGGESTIONS
from tune_s11.results.folder import LAYOUT
from tune_s11.results.range_test import read_range_test
from tune_s11.search import range_test
from tune_s11.search.cluster import Workers
from tune_s11.search.context import Context
from tune_s11.search.executor import Executor
from tune_s11.search.range_test import Proposals, find_proposals
from tune_s11.search_space import SearchConfig, load_space, parse_space
from tune_s11.storage.workspace import Local

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

    monkeypatch.setattr(range_test, "measure_curve", measure)
    return curves


class Search:
    """One in a folder, with what it prints."""

    def __init__(self, folder: Path) -> None:
        self.printed = io.StringIO()
        executor = Executor(Workers(2, 1, 0, 2), "fp32")
        self._context = Context(
            Local(folder, LAYOUT), CONFIG, executor, Console(file=self.printed, width=1000, highlight=False)
        )

    def proposals(self, config: SearchConfig = CONFIG, warm_start: tuple[Recipe, ...] = ()) -> Proposals:
        data: Any = None
        return find_proposals(replace(self._context, config=config), data, warm_start)


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return Search(tmp_path)


def test_the_range_test_bounds_the_space_and_says_what_comes_first(
    tmp_path: Path, search: Search, measured: list[LRCurve]
) -> None:
    proposals = search.proposals()
    (first,), space = proposals.first, proposals.space
    expected = find_bounds(FALLING)
    assert space["max_lr"] == FloatDistribution(expected.low, expected.high, log=True)
    assert {name: space[name] for name in space if name != "max_lr"} == {
        name: domain for name, domain in CONFIG.space.items() if name != "max_lr"
    }
    assert first["max_lr"] == expected.suggestion
    assert first["max_lr"] * first["min_lr_fraction"] == pytest.approx(expected.min_lr)
    assert first["epochs"] == CONFIG.recipe.epochs
    (line,) = search.printed.getvalue().splitlines()
    assert f"LRMAX between {expected.low:.3g} and {expected.high:.3g}" in line
    assert len(measured) == 1
    kept = read_range_test(tmp_path / "lr_range.json")
    assert kept.bounds == expected
    assert kept.curve.losses.tolist() == FALLING.losses.tolist()
    assert kept.suggestions == {name: rule(FALLING) for name, rule in SUGGESTIONS.items()}


def test_lrmin_may_be_what_the_range_test_measures(search: Search, measured: list[LRCurve]) -> None:
    found = parse_space({"space": {"max_lr": "range_test", "min_lr_fraction": "range_test"}}, "")
    given = parse_space({"recipe": {"max_lr": 0.2}, "space": {"min_lr_fraction": "range_test"}}, "")
    expected = find_bounds(FALLING)
    proposals = search.proposals(found)
    (first,), fraction = proposals.first, proposals.space["min_lr_fraction"]
    assert isinstance(fraction, FloatDistribution)
    assert fraction.single()
    assert fraction.low == first["min_lr_fraction"]
    assert fraction.low * first["max_lr"] == pytest.approx(expected.min_lr)
    assert proposals.space["max_lr"] == FloatDistribution(expected.low, expected.high, log=True)
    assert f"; LRMIN {expected.min_lr:.3g}\n" in search.printed.getvalue()
    alone = search.proposals(given).space
    assert alone == {"min_lr_fraction": FloatDistribution(expected.min_lr / 0.2, expected.min_lr / 0.2)}
    assert len(measured) == 1


def test_a_curve_that_is_there_is_not_measured_again(search: Search, measured: list[LRCurve]) -> None:
    assert search.proposals() == search.proposals()
    assert (len(measured), len(search.printed.getvalue().splitlines())) == (1, 1)


def test_bounds_of_ones_own_need_no_range_test(tmp_path: Path, search: Search, measured: list[LRCurve]) -> None:
    proposals = search.proposals(CONFIG.with_lr_bounds(0.05, 1.0))
    assert proposals.space["max_lr"] == FloatDistribution(0.05, 1.0, log=True)
    assert proposals.first == (CONFIG.recipe.model_dump(),)
    assert not measured
    assert not list(tmp_path.iterdir())


def test_a_warm_start_comes_after_the_suggestion(search: Search, measured: list[LRCurve]) -> None:
    other = CONFIG.recipe.model_copy(update={"max_lr": 0.123})
    for config in (CONFIG, CONFIG.with_lr_bounds(0.05, 1.0)):
        (alone,) = search.proposals(config).first
        assert search.proposals(config, (other,)).first == (alone, other.model_dump())


def test_lrmin_first_is_never_above_lrmax(tmp_path: Path, search: Search, measured: list[LRCurve]) -> None:
    bounds = {"low": 0.01, "high": 0.3, "suggestion": 0.1, "min_lr": 0.5, "reasons": {}}
    plain = {"curve": FALLING.to_dict(), "suggestions": {}, "bounds": bounds}
    (tmp_path / "lr_range.json").write_text(json.dumps(plain))
    (first,) = search.proposals().first
    assert (first["max_lr"], first["min_lr_fraction"]) == (0.1, 1.0)
    assert not measured


def test_a_file_that_is_damaged_is_measured_again(tmp_path: Path, search: Search, measured: list[LRCurve]) -> None:
    (tmp_path / "lr_range.json").write_text('{"curve": ')
    assert search.proposals().space["max_lr"].low == find_bounds(FALLING).low  # type: ignore[attr-defined]
    assert len(measured) == 1
