"""The tables of simulated searches, and the guard: the default policy does no worse than is written down."""

import json
from pathlib import Path
from typing import Any

import pytest
import simulate
from recorded import CIFAR10_W16, append_line, read_curves
from simulate import compare_policy, figures_file, judge_policy, measure_policy
from simulator import Workers
from synthetic import recording_of_s11

from tune_s11.config import InputError
from tune_s11.search_space import SearchConfig, load_space


def with_settings(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Lets the policy be another than that of s11.yaml."""
    space = load_space("s11")
    changed = SearchConfig(space.recipe, space.space, space.search.model_copy(update=changes))
    monkeypatch.setattr(simulate, "load_space", lambda name: changed)


@pytest.fixture
def curves(tmp_path: Path) -> Path:
    path = tmp_path / "curves.jsonl"
    header, lines = recording_of_s11(30)
    for line in [header, *lines]:
        append_line(path, line)
    return path


@pytest.mark.slow
def test_the_policy_is_no_worse_than_its_record() -> None:
    """On real curves. Where it fails and the change is meant: ``simulate.py --record``, and say why."""
    goals = judge_policy(CIFAR10_W16)
    assert all(goal["met"] for goal in goals.values()), goals


@pytest.mark.slow
def test_the_record_is_of_the_recording_beside_it() -> None:
    kept = json.loads(figures_file(CIFAR10_W16).read_text())
    assert len(read_curves(CIFAR10_W16, kept["configurations"]).score) == kept["configurations"]
    assert set(kept["figures"]) == set(simulate.BETTER)


def test_a_worse_policy_fails(curves: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "POLICY_SEARCHES", 8)
    with_settings(monkeypatch, grace=14)
    kept = {"configurations": 30, "figures": measure_policy(read_curves(curves))}
    figures_file(curves).write_text(json.dumps(kept))
    assert all(goal["met"] for goal in judge_policy(curves).values())
    with_settings(monkeypatch, scheduler="none")
    goals = judge_policy(curves)
    assert (goals["policy_saving"]["value"], goals["policy_saving"]["met"]) == (1.0, False)
    with_settings(monkeypatch, grace=1, factor=4)
    assert not judge_policy(curves)["policy_lost"]["met"]


def test_a_longer_recording_changes_nothing(curves: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "POLICY_SEARCHES", 2)
    kept = {"configurations": 20, "figures": measure_policy(read_curves(curves, 20))}
    figures_file(curves).write_text(json.dumps(kept))
    values = {name: goal["value"] for name, goal in judge_policy(curves).items()}
    assert values == {f"policy_{name}": figure["value"] for name, figure in kept["figures"].items()}


def test_a_record_that_is_missing_is_an_error(curves: Path) -> None:
    with pytest.raises(InputError, match=r"no such file; simulate.py --record writes it"):
        judge_policy(curves)
    figures_file(curves).write_text(json.dumps({"configurations": 31, "figures": {}}))
    with pytest.raises(InputError, match=r"30 configurations: needed are 31"):
        judge_policy(curves)


def test_more_and_less_count_as_the_figure_means_it() -> None:
    recorded = {name: {"value": 1.0, "tolerance": 0.1} for name in simulate.BETTER}
    for change, met in ((0.0, (True, True, True)), (0.2, (True, False, True)), (-0.2, (False, True, False))):
        found = {name: {"value": 1.0 + change} for name in simulate.BETTER}
        goals = compare_policy(found, recorded)
        assert tuple(goals[f"policy_{name}"]["met"] for name in ("saving", "lost", "best")) == met


def test_the_tables(curves: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in {
        "POLICY_SEARCHES": 2,
        "SEARCHES": 2,
        "SAMPLES": 12,
        "WORKERS": (4, 12),
        "STRAGGLERS": (Workers(12, 2, 16),),
        "SHUFFLES": 2,
        "LARGEST": (20, 20),
    }.items():
        monkeypatch.setattr(simulate, name, value)
    simulate.main(curves, record=True)
    simulate.main(curves)
    told = capsys.readouterr().out
    for line in (
        "12 workers",
        "2 take 16 times as long",
        "64 workers, worst first",
        "8 workers, shuffled",
        "20 trials",
    ):
        assert f"\n{line}" in told
    last = json.loads(told.splitlines()[-1])
    assert (last["n"], last["goals"]["policy_lost"]["met"]) == (30, True)
    assert set(last["goals"]) == {"seconds_of_the_largest", "policy_saving", "policy_lost", "policy_best"}
    kept = json.loads(figures_file(curves).read_text())
    assert kept["configurations"] == 30
    assert 1 < kept["figures"]["saving"]["value"] < 3
