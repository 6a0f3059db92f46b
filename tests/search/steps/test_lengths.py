"""The fewest epochs that reach a target; a search that asks for them is part of test_session.py."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.begun import Search
from tune_s11.results import TrialResult, load_search
from tune_s11.results.records import Lengths
from tune_s11.search.steps import lengths
from tune_s11.search.steps.finalists import seeds_of
from tune_s11.search.steps.lengths import (
    bisect,
    describe,
    fresh_seeds,
    lengths_at_most,
    lower_limit,
    score_length,
    shorten_to_target,
    worst_case,
)
from tune_s11.search_space import load_space


@given(longest=st.integers(1, 200), data=st.data())
def test_the_fewest_are_found_with_few_tries(longest: int, data: st.DataObject) -> None:
    """Where more epochs never reach less: exactly, each length is tried once, and the trials' own first."""
    fewest = data.draw(st.integers(1, longest + 1))
    tried: list[int] = []

    def reaches(epochs: int) -> bool:
        tried.append(epochs)
        return epochs >= fewest

    assert bisect(longest, reaches) == (None if fewest > longest else fewest)
    assert tried[0] == longest
    assert len(tried) == len(set(tried)) <= 2 + longest.bit_length()
    assert sum(tried) <= sum(worst_case(longest))


@given(longest=st.integers(1, 100), noise=st.randoms())
def test_what_is_found_was_tried_and_reached_the_target(longest: int, noise: st.DrawFn) -> None:
    """However luck has it, the answer is a length that reached the target itself."""
    outcomes: dict[int, bool] = {}

    def reaches(epochs: int) -> bool:
        outcomes[epochs] = noise.random() < 0.5  # type: ignore[attr-defined]
        return outcomes[epochs]

    fewest = bisect(longest, reaches)
    assert outcomes[longest] == (fewest is not None)
    assert fewest is None or outcomes[fewest]


def test_the_worst_case_of_24_epochs() -> None:
    assert worst_case(24) == [24, 12, 18, 21, 22, 23]
    assert worst_case(1) == [1]
    config = load_space("s11")
    assert lengths_at_most(config) == ()
    assert lengths_at_most(config.with_overrides({"search.target": "0.9"})) == (24, 12, 18, 21, 22, 23)


def test_no_seed_that_chose_the_winner_judges_it() -> None:
    settings = load_space("s11").search
    assert len(fresh_seeds(settings)) == settings.finalist_seeds
    assert not {*fresh_seeds(settings)} & {*seeds_of(settings)}


def test_the_limit_is_students() -> None:
    """By hand: the mean of 0.90, 0.92 and 0.94 is 0.92, their standard error 0.02 / sqrt(3), t(0.95, 2) = 2.92."""
    assert lower_limit([0.90, 0.92, 0.94]) == pytest.approx(0.92 - 2.92 * 0.02 / 3**0.5, abs=1e-5)
    assert lower_limit([0.9, 0.9]) == pytest.approx(0.9)


def test_one_score_has_no_limit() -> None:
    assert score_length({7: 0.99}, 12).low is None
    assert score_length({7: 0.91, 8: 0.93}, 12).model_dump() == {
        "epochs": 12,
        "scores": {7: 0.91, 8: 0.93},
        "mean": pytest.approx(0.92),
        "sd": pytest.approx(0.01 * 2**0.5),
        "n": 2,
        "low": pytest.approx(lower_limit([0.91, 0.93])),
    }


@pytest.mark.parametrize("lost", [True, False])
def test_what_runs_are_missing_from_is_not_final(
    search_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    """A resumed search retries them: with two scores instead of three, the limit is lower than it need be."""
    search = Search(search_path)
    config = load_search(str(search_path), search_path.parent).config
    config = config.with_overrides({"search.target": "0.5", "search.finalist_seeds": "3"})
    winner = TrialResult(2, {}, config.recipe, 0, None, [], "complete")

    def train_runs(*arguments: Any) -> list[float | None]:
        epochs = arguments[3]
        return [0.9 + 0.001 * epochs, None if lost and epochs == 3 else 0.9, 0.9]

    monkeypatch.setattr(lengths, "train_runs", train_runs)
    nothing: Any = None
    shorter = shorten_to_target(replace(search.context, config=config), winner, nothing)
    assert shorter == config.recipe.resized(1)
    record = search.context.folder.lengths
    said = "target: runs are missing, so the epochs found may be too many; --resume retries them"
    assert (record.exists(), said in search.lines) == (not lost, lost)


def found(fewest: int | None) -> Lengths:
    tried = tuple(
        score_length({7: score, 8: score + 0.01}, epochs) for epochs, score in ((24, 0.94), (12, 0.92), (6, 0.8))
    )
    return Lengths(trial="t0003", target=0.85, confidence=0.95, tried=tried, fewest=fewest)


def test_the_outcome_in_words() -> None:
    limit = "n = 2, lower 95% limit"
    assert describe(found(12)) == [
        f"target 0.85: reached by 12 epochs with validation accuracy 0.9250 ({limit} 0.8934)",
        f"  too few: 6 epochs with validation accuracy 0.8050 ({limit} 0.7734)",
    ]
    assert describe(found(None)) == [
        f"target 0.85: not reached by 24 epochs with validation accuracy 0.9450 ({limit} 0.9134); "
        "the refits still train for 24 epochs"
    ]
    assert len(describe(found(6))) == 1
