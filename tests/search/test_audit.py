"""The pruning audit: a known share of the trials to be stopped runs on, and no other trial notices."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import TrialScheduler

from tune_s11.config import Recipe, SearchSettings
from tune_s11.results import SCORE, TrialResult, read_audit
from tune_s11.search.audit import Audit, one_in
from tune_s11.search.scheduler import RememberingASHA

STOP, CONTINUE = TrialScheduler.STOP, TrialScheduler.CONTINUE
ALL = SearchSettings(samples=1000, audit=0.9, grace=2, factor=2)
"""Settings under which every trial to be stopped is audited."""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 14),  # 64 samples, two thirds stopped: three audited
        ({"samples": 1000}, 20),  # one in twenty is more than three
        ({"samples": 12}, 8),  # three would be too many
        ({"audit": 0.0}, 0),
        ({"scheduler": "none"}, 0),
    ],
)
def test_share(changes: dict[str, Any], expected: int) -> None:
    assert one_in(SearchSettings(**changes)) == expected


def test_a_longer_search_keeps_the_chance_it_began_with(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    Audit(path, SearchSettings(samples=64)).takes(0, 8)
    longer = SearchSettings(samples=128)
    assert one_in(longer) != 14
    assert Audit(path, longer).one_in == 14


@given(seed=st.integers(0, 10**6), decisions=st.integers(1, 60))
def test_each_has_the_same_chance(tmp_path_factory: pytest.TempPathFactory, seed: int, decisions: int) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.json"
    settings = SearchSettings(seed=seed)
    audit = Audit(path, settings)
    taken = [number for number in range(decisions) if audit.takes(number, 8)]
    assert len(taken) in {decisions // audit.one_in, -(-decisions // audit.one_in)}
    assert all(later - earlier == audit.one_in for earlier, later in itertools.pairwise(taken))
    assert {number for number in range(decisions) if audit.rung(number) == 8} == set(taken)


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    path, settings = tmp_path / "audit.json", SearchSettings(seed=3)
    whole = Audit(tmp_path / "whole.json", settings)
    expected = [number for number in range(50) if whole.takes(number, 8)]
    taken = []
    for number in range(50):  # a new process for each decision
        if Audit(path, settings).takes(number, 8):
            taken.append(number)
    assert taken == expected
    assert read_audit(path) == read_audit(tmp_path / "whole.json")
    assert Audit(path, settings).rung(taken[0]) == 8


def trial(scheduler: RememberingASHA, number: int) -> SimpleNamespace:
    added = SimpleNamespace(trial_id=f"id{number}", config={"number": number})
    scheduler.on_trial_add(None, added)
    return added


def report(scheduler: RememberingASHA, of: SimpleNamespace, epoch: int, score: float) -> str:
    return scheduler.on_trial_result(None, of, {"epoch": epoch, SCORE: score})


def test_an_audited_trial_runs_on_and_is_hidden_from_the_later_rungs(tmp_path: Path) -> None:
    scheduler = RememberingASHA(ALL, 8, Audit(tmp_path / "audit.json", ALL))
    good, bad = trial(scheduler, 0), trial(scheduler, 1)
    assert report(scheduler, good, 2, 0.9) == CONTINUE
    assert report(scheduler, bad, 2, 0.1) == CONTINUE
    assert report(scheduler, bad, 4, 0.99) == CONTINUE
    assert report(scheduler, good, 4, 0.9) == CONTINUE  # 0.99 would stop it
    scheduler.on_trial_complete(None, bad, {"epoch": 8, SCORE: 0.99})
    rungs = dict(scheduler._brackets[0]._rungs)
    assert rungs[2] == {"id0": 0.9, "id1": 0.1}
    assert rungs[4] == {"id0": 0.9}
    assert read_audit(tmp_path / "audit.json") == {"one_in": 1, "decisions": 1, "trials": {"t0001": 2}}


def test_it_stays_hidden_in_a_later_session(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    assert Audit(path, ALL).takes(1, 2)
    rows = [{"epoch": epoch, SCORE: score, "diverged": False} for epoch, score in enumerate([0.1, 0.1, 0.9, 0.99], 1)]
    earlier = TrialResult(1, {}, Recipe(), 1, None, rows, "running")
    scheduler = RememberingASHA(ALL, 8, Audit(path, ALL), [earlier])
    rungs = dict(scheduler._brackets[0]._rungs)
    assert rungs[2] == {"t0001": 0.1}
    assert rungs[4] == {}
    assert report(scheduler, trial(scheduler, 1), 4, 0.99) == CONTINUE
    assert rungs[4] == {}


def test_without_an_audit_the_rung_stops(tmp_path: Path) -> None:
    settings = ALL.model_copy(update={"audit": 0.0})
    scheduler = RememberingASHA(settings, 8, Audit(tmp_path / "audit.json", settings))
    assert report(scheduler, trial(scheduler, 0), 2, 0.9) == CONTINUE
    assert report(scheduler, trial(scheduler, 1), 2, 0.1) == STOP
    assert not (tmp_path / "audit.json").exists()
