"""What is left of a made-up search; that what is left is also done, is for test_session.py."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tune_s11.results import SearchFolder, load_search
from tune_s11.search.forecast import Work
from tune_s11.search.remaining import remaining_work, room_for_finalists
from tune_s11.search_space import SearchConfig, load_space


@pytest.fixture
def config(search_path: Path) -> SearchConfig:
    return load_search(str(search_path), search_path.parent).config


def remaining(path: Path, config: SearchConfig, **changes: str) -> Work:
    return remaining_work(
        SearchFolder(path), config.with_overrides({f"search.{key}": it for key, it in changes.items()})
    )


def test_what_is_done_is_not_forecast_again(search_path: Path, config: SearchConfig) -> None:
    running = sum(trial.state == "running" for trial in load_search(str(search_path), search_path.parent).trials)
    ended = str(6 - running)
    assert remaining(search_path, config, samples=ended) == Work(samples=0, ramps=0, finalists=0, refits=0)
    # What follows another trial is chosen anew.
    assert remaining(search_path, config, samples="7") == Work(samples=1 + running, ramps=0, finalists=2, refits=2)
    fresh = remaining(search_path / "none", config)
    assert (fresh.samples, fresh.finalists, fresh.refits) == (6, 2, 2)
    assert fresh.cycles


def test_refits_of_an_earlier_winner_are_no_refits_of_this_one(search_path: Path, config: SearchConfig) -> None:
    running = sum(trial.state == "running" for trial in load_search(str(search_path), search_path.parent).trials)
    metrics = SearchFolder(search_path).metrics
    refits = json.loads(metrics.read_text())
    metrics.write_text(json.dumps(refits | {"trial": "t0000" if refits["trial"] != "t0000" else "t0001"}))
    assert remaining(search_path, config, samples=str(6 - running)).refits == 2


def test_room_for_finalists_counts_the_epochs_of_earlier_sessions(search_path: Path, config: SearchConfig) -> None:
    """The trials have 19 epochs: with three seeds and six epochs a run, enough for one finalist."""
    settings = config.search.model_copy(update={"finalists": None, "finalist_seeds": 3})
    room = room_for_finalists(SearchFolder(search_path), replace(config, search=settings))
    assert [room(epochs) for epochs in (0, 16, 17, 35)] == [1, 1, 2, 3]


def test_a_target_is_work_too(search_path: Path, config: SearchConfig) -> None:
    assert remaining(search_path, config).lengths == ()
    assert remaining(search_path, config, target="0.5").lengths == (6, 3, 4, 5)


@pytest.mark.parametrize(("samples", "finalists"), [(8, 0), (12, 0), (16, 2), (32, 4), (64, 5)])
def test_as_many_finalists_as_the_pruned_trials_will_have_room_for(
    tmp_path: Path, samples: int, finalists: int
) -> None:
    """8 trials take the epochs of 4.5 complete ones: one place of three seeds, and one finalist is no comparison."""
    assert remaining(tmp_path, load_space("s11"), samples=str(samples)).finalists == finalists


def test_without_pruning_there_is_room_for_more(tmp_path: Path) -> None:
    config = load_space("s11")
    unpruned = replace(config, search=config.search.model_copy(update={"scheduler": "none"}))
    assert remaining(tmp_path, unpruned, samples="12").finalists == 4
