"""Where max_lr is searched: the space file's words, a range test's, or those of one that ran before."""

import io
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from optuna.distributions import FloatDistribution
from rich.console import Console

from tune_s11.config import Recipe
from tune_s11.lr_range.bounds import LRBounds, bounds_of
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.cycles import Cycle, Outcome
from tune_s11.lr_range.measuring import ramp
from tune_s11.lr_range.rule import ask, recommend
from tune_s11.lr_range.suggestions import SUGGESTIONS
from tune_s11.results.folder import LAYOUT
from tune_s11.results.lr_range import read_range_test
from tune_s11.search.context import Context
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.steps import lr_range
from tune_s11.search.steps.lr_range import expected_cycles, find_proposals
from tune_s11.search.study import Proposals
from tune_s11.search.workers.cluster import Workers
from tune_s11.search.workers.executor import Executor
from tune_s11.search.workers.parts import Failed
from tune_s11.search_space import SearchConfig, load_space, parse_space
from tune_s11.storage.workspace import Local

LRS = ramp("exponential", 1e-4, 10, 100)
FALLING = LRCurve(LRS, np.linspace(2.3, 1.0, 100)[None])
CONFIG = load_space("quick")
TRAINED = lr_range._train_cycle


class Measured:
    """Stands in for workers: a falling curve, and cycles that end best at a rate of 0.1."""

    def __init__(self) -> None:
        self.curves = 0
        self.cycles: list[Cycle] = []
        self.breaks_after: int | None = None
        self.failing: set[float] = set()

    def curve(self, *_: Any) -> LRCurve:
        self.curves += 1
        return FALLING

    def run(self, _: Executor, task: Any, calls: Any, *, on_result: Any, on_failure: Any) -> list[Any]:
        assert task is TRAINED
        results: list[Any] = []
        for number, (_, data, cycle) in enumerate(calls):
            if self.breaks_after == len(self.cycles):
                raise KeyboardInterrupt
            assert len(data.validation.labels) == 10
            self.cycles.append(cycle)
            away = abs(math.log10(cycle.max_lr / 0.1))
            if cycle.max_lr in self.failing:
                results.append(Failed("ValueError: no", "Traceback"))
                continue
            results.append(Outcome(0.5, 1.0 + away, cycle.epochs) if cycle.max_lr < 5 else Outcome(None, None, 1))
            on_result(number, results[-1])
        return results


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    """What was measured."""
    stand_in = Measured()
    monkeypatch.setattr(lr_range, "measure_curve", stand_in.curve)
    monkeypatch.setattr(Executor, "run", lambda *given, **named: stand_in.run(*given, **named))
    monkeypatch.setattr(lr_range, "ray", SimpleNamespace(get=lambda data: data))
    return stand_in


def expected(curve: LRCurve | None = None) -> LRBounds:
    """What follows from the cycles that are measured, and from ramps where there are any."""
    asked = ask(CONFIG.recipe, CONFIG.search, np.arange(10))

    def train(cycles: Sequence[Cycle]) -> dict[Cycle, Outcome]:
        away = {cycle: abs(math.log10(cycle.max_lr / 0.1)) for cycle in cycles}
        return {
            cycle: Outcome(0.5, 1.0 + away[cycle], cycle.epochs) if cycle.max_lr < 5 else Outcome(None, None, 1)
            for cycle in cycles
        }

    found = bounds_of(recommend(asked, train), curve, CONFIG.recipe.min_lr_fraction)
    return replace(found, momentum=CONFIG.recipe.momentum)


@pytest.mark.parametrize("changes", [{"momentum": "0.5"}, {"optimizer": "adamw"}], ids=["fixed", "AdamW"])
def test_bounds_follow_a_momentum_that_is_searched_with_sgd(
    search: "Search", measured: "Measured", changes: dict[str, str]
) -> None:
    assert (bounds := search.proposals().bounds) is not None
    assert bounds.momentum == 0.9
    (search.folder / "lr_range.json").unlink()
    assert (bounds := search.proposals(CONFIG.with_overrides(changes)).bounds) is not None
    assert bounds.momentum is None


def test_bounds_of_an_earlier_version_stay_as_they_were(search: "Search", measured: "Measured") -> None:
    search.proposals()
    file = search.folder / "lr_range.json"
    recorded = json.loads(file.read_text())
    assert recorded["bounds"].pop("momentum") == 0.9
    file.write_text(json.dumps(recorded))
    proposals = search.proposals()
    assert proposals.fields({"max_lr": 0.2, "momentum": 0.5}) == {"max_lr": 0.2, "momentum": 0.5}


class Search:
    """One in a folder, with what it prints."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.printed = folder, io.StringIO()
        executor = Executor(Workers(2, 1, 0, 2), "fp32")
        self._context = Context(
            Local(folder, LAYOUT), CONFIG, executor, Console(file=self.printed, width=1000, highlight=False)
        )

    def proposals(self, config: SearchConfig = CONFIG, warm_start: tuple[Recipe, ...] = ()) -> Proposals:
        data: Any = SimpleNamespace(validation=SimpleNamespace(labels=np.arange(10)))
        return find_proposals(replace(self._context, config=config), data, warm_start)


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return Search(tmp_path)


def test_the_range_test_bounds_the_space_and_says_what_comes_first(
    tmp_path: Path, search: Search, measured: Measured
) -> None:
    proposals = search.proposals()
    (first,), space = proposals.first, proposals.space
    bounds = expected()
    assert space["max_lr"] == FloatDistribution(bounds.low, bounds.high, log=True)
    assert {name: space[name] for name in space if name != "max_lr"} == {
        name: domain for name, domain in CONFIG.space.items() if name != "max_lr"
    }
    assert first["max_lr"] == bounds.suggestion
    assert first["min_lr_fraction"] == pytest.approx(CONFIG.recipe.min_lr_fraction)
    assert first["epochs"] == CONFIG.recipe.epochs
    (line,) = search.printed.getvalue().splitlines()
    assert line.endswith(
        f"at momentum 0.9 max_lr between {bounds.low:.3g} and {bounds.high:.3g} ({bounds.decades:.1f} decades), "
        f"first {bounds.suggestion:.3g}"
    )
    assert not measured.curves
    kept = read_range_test(tmp_path / "lr_range.json")
    assert kept.bounds == bounds
    assert kept.curve is None
    assert set(kept.cycles) == set(measured.cycles)
    assert not (tmp_path / "lr_range.jsonl").exists()
    assert kept.suggestions == {}


def test_lrmin_may_be_what_the_range_test_measures(tmp_path: Path, search: Search, measured: Measured) -> None:
    found = parse_space({"space": {"max_lr": "range_test", "min_lr_fraction": "range_test"}}, "")
    given = parse_space({"recipe": {"max_lr": 0.2}, "space": {"min_lr_fraction": "range_test"}}, "")
    bounds = expected(FALLING)
    proposals = search.proposals(found)
    (first,), fraction = proposals.first, proposals.space["min_lr_fraction"]
    assert isinstance(fraction, FloatDistribution)
    assert fraction.single()
    assert fraction.low == first["min_lr_fraction"]
    assert fraction.low * first["max_lr"] == pytest.approx(bounds.min_lr)
    assert proposals.space["max_lr"] == FloatDistribution(bounds.low, bounds.high, log=True)
    assert f"; min_lr {bounds.min_lr:.3g}\n" in search.printed.getvalue()
    alone = search.proposals(given).space
    assert alone == {"min_lr_fraction": FloatDistribution(bounds.min_lr / 0.2, bounds.min_lr / 0.2)}
    assert measured.curves == 1
    kept = read_range_test(tmp_path / "lr_range.json")
    assert kept.curve is not None
    assert kept.curve.losses.tolist() == FALLING.losses.tolist()
    assert kept.suggestions == {name: rule(FALLING) for name, rule in SUGGESTIONS.items()}


def test_a_given_lrmax_needs_no_cycles(search: Search, measured: Measured) -> None:
    given = parse_space({"recipe": {"max_lr": 0.2}, "space": {"min_lr_fraction": "range_test"}}, "")
    assert search.proposals(given).first[0]["max_lr"] == 0.2
    assert (measured.curves, measured.cycles) == (1, [])
    assert expected_cycles(given) == ()


def test_a_test_that_is_there_is_not_run_again(search: Search, measured: Measured) -> None:
    first = search.proposals()
    trained = len(measured.cycles)
    assert search.proposals() == first
    assert (len(measured.cycles), len(search.printed.getvalue().splitlines())) == (trained, 1)


def test_bounds_of_ones_own_need_no_range_test(tmp_path: Path, search: Search, measured: Measured) -> None:
    proposals = search.proposals(CONFIG.with_lr_bounds(0.05, 1.0))
    assert proposals.space["max_lr"] == FloatDistribution(0.05, 1.0, log=True)
    assert proposals.first == (CONFIG.recipe.model_dump(),)
    assert not measured.cycles
    assert not list(tmp_path.iterdir())


def test_a_warm_start_comes_after_the_suggestion(search: Search, measured: Measured) -> None:
    other = CONFIG.recipe.model_copy(update={"max_lr": 0.123})
    for config in (CONFIG, CONFIG.with_lr_bounds(0.05, 1.0)):
        (alone,) = search.proposals(config).first
        assert search.proposals(config, (other,)).first == (alone, other.model_dump())


def test_lrmin_first_is_never_above_lrmax(tmp_path: Path, search: Search, measured: Measured) -> None:
    written = {"low": 0.01, "high": 0.3, "suggestion": 0.1, "min_lr": 0.5, "reasons": {}}
    plain = {"curve": FALLING.to_dict(), "suggestions": {}, "bounds": written}
    (tmp_path / "lr_range.json").write_text(json.dumps(plain))
    (first,) = search.proposals().first
    assert (first["max_lr"], first["min_lr_fraction"]) == (0.1, 1.0)
    assert not measured.cycles


def test_a_file_that_is_damaged_is_measured_again(tmp_path: Path, search: Search, measured: Measured) -> None:
    (tmp_path / "lr_range.json").write_text('{"curve": ')
    assert search.proposals().space["max_lr"].low == expected().low  # type: ignore[attr-defined]
    assert measured.cycles


@pytest.mark.parametrize("after", [0, 1, 7])
def test_a_test_that_was_interrupted_trains_what_is_missing(
    tmp_path: Path, search: Search, measured: Measured, after: int
) -> None:
    measured.breaks_after = after
    with pytest.raises(KeyboardInterrupt):
        search.proposals()
    assert not (tmp_path / "lr_range.json").exists()
    measured.breaks_after = None
    search.proposals()
    assert len(measured.cycles) == len(set(measured.cycles)), "no cycle is trained twice"
    assert read_range_test(tmp_path / "lr_range.json").bounds == expected()


def test_a_test_that_could_not_tell_says_so(
    monkeypatch: pytest.MonkeyPatch, search: Search, measured: Measured
) -> None:
    def nothing(_: Executor, task: Any, calls: Any, *, on_result: Any, on_failure: Any) -> list[Any]:
        results = [Outcome(0.1, 2.4, cycle.epochs) for _, _, cycle in calls]
        for number, outcome in enumerate(results):
            on_result(number, outcome)
        return results

    monkeypatch.setattr(Executor, "run", nothing)
    proposals = search.proposals()
    assert proposals.first[0]["max_lr"] == pytest.approx(0.253, abs=1e-3)
    assert (
        "range test: inconclusive, no cycle was both long enough and clearly better than guessing; "
        in search.printed.getvalue()
    )


def test_a_cycle_that_fails_for_good_is_said_and_kept_away_from(
    tmp_path: Path, search: Search, measured: Measured
) -> None:
    measured.failing = {1.0}
    search.proposals()
    assert "range test: cycle at max_lr 1, " in search.printed.getvalue()
    assert " failed: ValueError: no\n" in search.printed.getvalue()
    kept = read_range_test(tmp_path / "lr_range.json")
    assert {cycle for cycle in measured.cycles if cycle.max_lr == 1.0}
    assert {cycle for cycle in kept.cycles if cycle.max_lr == 1.0} == set()
    assert kept.bounds.high <= 1.0
    assert len(measured.cycles) == len(set(measured.cycles)), "it is not tried again in this session"


def test_a_range_test_of_which_nothing_succeeds_ends_the_search(search: Search, measured: Measured) -> None:
    measured.failing = {10.0**exponent for exponent in range(-5, 3)}
    with pytest.raises(
        SearchFailedError, match=r"^range test: cycle at max_lr .* failed: ValueError: no; .*error\.txt"
    ):
        search.proposals()


def test_the_cycles_to_expect_are_those_of_a_usual_test(search: Search, measured: Measured) -> None:
    search.proposals()
    rounds = expected_cycles(CONFIG)
    longer = rounds[-1][-1]
    assert 0 <= sum(map(sum, rounds)) - sum(cycle.epochs for cycle in measured.cycles) <= longer
