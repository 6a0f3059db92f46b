import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.race import guard
from benchmarks.race.candidates import Candidates
from benchmarks.race.guard import (
    BETTER,
    PROBLEM,
    CoinFlip,
    compare,
    figures_file,
    judge_policy,
    measure_policy,
    policy_of,
    read_candidates,
    search,
)
from benchmarks.race.pool import POOLS
from benchmarks.race.problems import draw
from tests.benchmarks.race.synthetic_candidates import candidates, noisy
from tune_s11.config import InputError
from tune_s11.pruning import NoPruning


@pytest.fixture
def pool() -> Candidates:
    """A pool of which little is good, and curves that tell early."""
    quality, ema = noisy(100)
    found = candidates(np.where(quality > 0.8, quality, quality / 2), ema)
    return replace(found, configs=[*map(draw, range(100)), found.configs[-1]])


def test_without_pruning_nothing_is_saved(pool: Candidates) -> None:
    assert search(pool, NoPruning(), 0)["saving"] == 1.0


def test_the_rungs_save_epochs_and_repeat_themselves(pool: Candidates) -> None:
    found = search(pool, policy_of(12), 3)
    assert found["saving"] > 1.5
    assert search(pool, policy_of(12), 3) == found


def test_a_coin_flip_fails_where_there_is_something_to_find(pool: Candidates) -> None:
    today = measure_policy(pool, lambda _: policy_of(12), orders=8)
    coin = measure_policy(pool, lambda order: CoinFlip(2, 3, 12, order), orders=8)
    assert all(goal["met"] for goal in compare(today, today).values())
    assert not compare(coin, today)["area"]["met"]
    unpruned = measure_policy(pool, lambda _: NoPruning(), orders=2)  # in every order it saves nothing
    assert not compare(unpruned, today)["saving"]["met"]


def test_where_every_trial_diverges_the_defaults_are_shipped(pool: Candidates) -> None:
    broken = replace(pool, diverged=np.ones(101, bool), epochs_run=np.ones(101, int))
    found = search(broken, policy_of(12), 0)
    assert found == {"saving": 1.0, "area": pytest.approx(pool.regret[-1])}


def test_more_and_less_count_as_the_figure_means_it() -> None:
    recorded = {name: {"value": 1.0, "tolerance": 0.1} for name in BETTER}
    for change, met in ((0.0, (True, True)), (0.2, (True, False)), (-0.2, (False, True))):
        found = {name: {"value": 1.0 + change} for name in BETTER}
        assert tuple(goal["met"] for goal in compare(found, recorded).values()) == met


def test_a_record_that_is_missing_or_of_another_pool_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: Candidates
) -> None:
    with pytest.raises(InputError, match=r"digits-plain.policy.json: no such file; uv run python -m"):
        judge_policy(pools=tmp_path)
    figures_file(pools=tmp_path).write_text(json.dumps({"configurations": 99, "figures": {}}))
    monkeypatch.setattr(guard, "read_candidates", lambda *_: pool)
    with pytest.raises(InputError, match="is of 99 configurations; expected the pool's 100"):
        judge_policy(pools=tmp_path)


@pytest.mark.slow
def test_todays_policy_is_no_worse_than_its_record_and_a_coin_flip_is() -> None:
    """Where it fails and the change is meant: ``benchmarks.race.guard --record``, and say why."""
    goals = judge_policy()
    assert all(goal["met"] for goal in goals.values()), goals
    recorded = json.loads(figures_file().read_text())["figures"]
    coin = measure_policy(read_candidates(PROBLEM, POOLS), lambda order: CoinFlip(2, 3, 12, order))
    assert not compare(coin, recorded)["area"]["met"]
