"""A forecast is read as it is told and judged beside a constant guess; all training of a search is counted."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.race.trial import processor_kind
from benchmarks.scale import forecast_error
from benchmarks.scale.forecast_error import SEARCHES, count_within, record, seconds, table, training
from tune_s11.config import InputError
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.lr_range.cycles import Cycle, Outcome
from tune_s11.results import SearchResult, TrialResult
from tune_s11.results.lr_range import RangeTest
from tune_s11.search_space import load_space
from tune_s11.text import format_seconds
from tune_s11.training.metrics import EpochMetrics


@given(st.floats(0.1, 1e5))
def test_times_are_read_as_they_are_told(value: float) -> None:
    rounding = 30.0 if value >= 600 else 0.5
    assert seconds(format_seconds(value)) == pytest.approx(value, abs=rounding + 1e-6)


def test_a_constant_guess_is_judged_by_the_same_measure() -> None:
    rows = [{"forecast": 100 * k, "taken": 104.0 * k} for k in (1, 2, 3)] + [{"forecast": 100, "taken": 200.0}]
    assert count_within(rows) == (3, 2)  # the median is 204 s


def test_trials_cycles_finalists_and_refits_are_training(tmp_path: Path) -> None:
    config = load_space("quick")
    rows = [EpochMetrics(k, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, k, 1e5, False) for k in (1, 2, 3)]
    search = SearchResult(tmp_path, config, {}, [TrialResult(0, {}, config.recipe, 0, None, rows, "complete")])
    for folder, took in (search.folder.path / "best" / "seed-0", 10), (tmp_path / "finalists" / "t0000", 20):
        folder.mkdir(parents=True)
        (folder / "metrics.jsonl").write_text(json.dumps({"seconds": took}) + "\n")
    cycles = {Cycle(2, 0.1, 0): Outcome(0.9, 0.1, 2), Cycle(2, 9.0, 0): Outcome(None, None, 1)}
    bounds = LRBounds(low=0.01, suggestion=0.1, high=1.0, min_lr=0.001, reasons={})
    RangeTest(None, {}, bounds, cycles).write(search.folder.range_test)
    assert training(search) == 1 + 2 + 3 + 10 + 20 + 3 * 2


def test_the_table_is_of_the_searches_that_were_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(forecast_error, "ROWS", tmp_path / "rows.jsonl")
    monkeypatch.setattr(forecast_error, "measure", lambda settings: {
        "settings": settings, "forecast": 100, "taken": 110.0, "training": 200.0,
        "processor": processor_kind(), "date": "2026-11-29",
    })  # fmt: skip
    with pytest.raises(InputError, match="no long search"):
        table("long")
    record("short")
    record("short")
    table("short")
    *_, summary, goals = capsys.readouterr().out.splitlines()
    rows = (tmp_path / "rows.jsonl").read_text().splitlines()
    assert len(rows) == len(SEARCHES["short"])
    assert summary == "within 15%: 10 of 10; a constant guess, the median: 10 of 10"
    assert json.loads(goals)["met"]
