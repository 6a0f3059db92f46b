"""The pruning audit: a known share of the trials to be stopped runs on, and no other trial notices."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import TrialScheduler

from tests.search.scheduled import cutoff_is, recorded, report, trial
from tune_s11.config import Recipe, RefitChanges, SearchSettings
from tune_s11.results import TrialResult
from tune_s11.results.records import AuditRecord, read_record
from tune_s11.search.audit import Audit, forget_unknown, one_in
from tune_s11.search.tune.scheduler import PolicyScheduler
from tune_s11.search_space import SearchConfig
from tune_s11.training.metrics import SCORE, EpochMetrics

STOP, CONTINUE = TrialScheduler.STOP, TrialScheduler.CONTINUE


def config(**changes: Any) -> SearchConfig:
    settings = SearchSettings.model_validate({"audit": 0.05, **changes})
    return SearchConfig(Recipe(epochs=24), {}, settings, RefitChanges())


def all_audited(**changes: Any) -> SearchConfig:
    """A search in which every trial to be stopped is audited; its trials have 8 epochs and rungs at 2 and 4."""
    settings = {"samples": 1000, "audit": 0.9, "grace": 2, "factor": 2, **changes}
    return SearchConfig(Recipe(epochs=8), {}, SearchSettings.model_validate(settings), RefitChanges())


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
    assert one_in(config(**changes)) == expected


def test_a_longer_search_keeps_the_chance_it_began_with(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    Audit(path, config(samples=64)).takes(0, 8)
    longer = config(samples=128)
    assert one_in(longer) != 14
    assert Audit(path, longer).one_in == 14


@given(seed=st.integers(0, 10**6), decisions=st.integers(1, 60))
def test_each_has_the_same_chance(tmp_path_factory: pytest.TempPathFactory, seed: int, decisions: int) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.json"
    audit = Audit(path, config(seed=seed))
    taken = [number for number in range(decisions) if audit.takes(number, 8)]
    assert len(taken) in {decisions // audit.one_in, -(-decisions // audit.one_in)}
    assert all(later - earlier == audit.one_in for earlier, later in itertools.pairwise(taken))
    assert {number for number in range(decisions) if audit.rung(number) == 8} == set(taken)


def test_the_first_to_be_audited_follows_from_the_seed(tmp_path: Path) -> None:
    audits = [Audit(tmp_path / f"{seed}.json", config(seed=seed)) for seed in range(300)]
    firsts = {next(number for number in range(14) if audit.takes(number, 8)) for audit in audits}
    assert firsts == set(range(14))


def test_it_continues_where_it_was(tmp_path: Path) -> None:
    path, search = tmp_path / "audit.json", config(seed=3)
    whole = Audit(tmp_path / "whole.json", search)
    expected = [number for number in range(50) if whole.takes(number, 8)]
    taken = []
    for number in range(50):  # a new process for each decision
        if Audit(path, search).takes(number, 8):
            taken.append(number)
    assert taken == expected
    assert read_record(AuditRecord, path) == read_record(AuditRecord, tmp_path / "whole.json")
    assert Audit(path, search).rung(taken[0]) == 8


def scheduler(search: SearchConfig, path: Path, *earlier: TrialResult) -> PolicyScheduler:
    return PolicyScheduler(search.policy, Audit(path, search), earlier)


def test_an_audited_trial_runs_on_and_is_hidden_from_the_later_rungs(tmp_path: Path) -> None:
    asha = scheduler(all_audited(), tmp_path / "audit.json")
    good, bad = trial(asha, 0), trial(asha, 1)
    assert report(asha, good, 2, 0.9) == CONTINUE
    assert report(asha, bad, 2, 0.1) == CONTINUE
    assert report(asha, bad, 4, 0.99) == CONTINUE
    assert report(asha, good, 4, 0.9) == CONTINUE  # 0.99 would stop it
    asha.on_trial_complete(None, bad, {"epoch": 8, SCORE: 0.99})
    assert recorded(asha, 2) == {0, 1}
    assert cutoff_is(asha, 2, 0.5)
    assert recorded(asha, 4) == {0}
    assert cutoff_is(asha, 4, 0.9)
    expected = AuditRecord(one_in=1, decisions=1, trials={"t0001": 2})
    assert read_record(AuditRecord, tmp_path / "audit.json") == expected


def test_it_stays_hidden_in_a_later_session(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    assert Audit(path, all_audited()).takes(1, 2)
    scores = enumerate([0.1, 0.1, 0.9, 0.99], 1)
    rows = [EpochMetrics(epoch, 0.1, 0.5, 0.8, 0.5, score, 0.5, score, 1.0, 1e3, False) for epoch, score in scores]
    asha = scheduler(all_audited(), path, TrialResult(1, {}, Recipe(), 1, None, rows, "running"))
    assert recorded(asha, 2) == {1}
    assert cutoff_is(asha, 2, 0.1)
    assert recorded(asha, 4) == set()
    assert report(asha, trial(asha, 1), 4, 0.99) == CONTINUE
    assert recorded(asha, 4) == set()


def test_without_an_audit_the_rung_stops(tmp_path: Path) -> None:
    asha = scheduler(all_audited(audit=0.0), tmp_path / "audit.json")
    assert report(asha, trial(asha, 0), 2, 0.9) == CONTINUE
    assert report(asha, trial(asha, 1), 2, 0.1) == STOP
    assert not (tmp_path / "audit.json").exists()


def test_a_number_that_comes_again_is_no_longer_audited(tmp_path: Path) -> None:
    """A copy of a search may hold an audit of trials that its study has never heard of, and gives out again."""
    path = tmp_path / "audit.json"
    forget_unknown(path, known=3)
    assert not path.exists()
    record = AuditRecord(one_in=2, decisions=9, trials={"t0002": 4, "t0003": 2, "t10000": 2})
    record.write(path)
    forget_unknown(path, known=3)
    audit = Audit(path, all_audited())
    assert [audit.rung(number) for number in (2, 3, 10000)] == [4, None, None]
    assert read_record(AuditRecord, path).decisions == 9
