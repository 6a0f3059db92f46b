"""Who has won a search."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.results.attempts import HARDWARE, row, write_attempt
from tune_s11.config import Recipe
from tune_s11.results import SearchResult, TrialResult, read_trials
from tune_s11.results.trials import State
from tune_s11.search_space import SearchConfig


def score(value: float) -> dict[str, Any]:
    epochs = [row(6, value)]
    return {"epoch": 6, "epochs": epochs, "hardware": HARDWARE, "done": True}


@pytest.mark.parametrize(
    ("finalists", "judged", "winner"),
    [
        (0, None, "t0001"),
        (2, None, "t0001"),
        (2, ["t0001", "t0002"], "t0002"),  # what the finalists' runs say counts
        (2, ["t0000", "t0002"], "t0001"),  # but not of an earlier, shorter search
        (0, ["t0001", "t0002"], "t0001"),
    ],
)
def test_the_winner_is_the_finalists_or_the_best_score(
    tmp_path: Path, config: SearchConfig, finalists: int, judged: list[str] | None, winner: str
) -> None:
    for number, value in enumerate([0.7, 0.9, 0.8]):
        write_attempt(tmp_path / "trials" / f"t{number:04d}", [score(value)])
    if judged:
        scores = {"mean": 0.5, "sd": None, "n": 1, "scores": [0.5]}
        margin = {"mean": 0.0, "low": None, "high": None, "confidence": 0.95}
        verdict = {"seeds": [3], "trials": dict.fromkeys(judged, scores), "winner": judged[-1]}
        verdict |= {"runner_up": judged[0], "margin": margin, "tied": True}
        (tmp_path / "finalists.json").write_text(json.dumps(verdict))
    config = config.with_overrides({"search.finalists": str(finalists)})
    search = SearchResult(tmp_path, config, {}, read_trials(tmp_path, config))
    assert search.winner is not None
    assert search.winner.name == winner


@pytest.mark.parametrize(
    ("finalists", "scores", "entrants"),
    [
        (3, [0.7, 0.9, 0.8, 0.85], [1, 3, 0]),  # the first trial in place of the third
        (3, [0.87, 0.9, 0.8, 0.85], [1, 0, 3]),  # it is among the best itself
        (2, [0.7, 0.9, 0.8, 0.85], [1, 3]),  # of two none can be spared
        (0, [0.7, 0.9, 0.8, 0.85], [1]),
        (5, [0.7, 0.9, 0.8, 0.85], [1, 3, 2, 0]),  # complete, and so among the best four of five
        (5, [None, 0.9, 0.8, 0.85], [1, 3, 2, 0]),  # there is a place left
        (2, [None, 0.9], [1]),  # nobody to compare it with who can win
        (3, [None, 0.9, 0.8, 0.85], [1, 3, 0]),  # even if it was pruned
    ],
)
def test_the_first_trial_is_a_finalist(
    tmp_path: Path, config: SearchConfig, finalists: int, scores: list[float | None], entrants: list[int]
) -> None:
    for number, value in enumerate(scores):
        report = score(0.5) | {"epoch": 2, "epochs": [row(2, 0.5)]} if value is None else score(value)
        write_attempt(tmp_path / "trials" / f"t{number:04d}", [report])
    config = config.with_overrides({"search.finalists": str(finalists)})
    search = SearchResult(tmp_path, config, {}, read_trials(tmp_path, config))
    assert [trial.number for trial in search.entrants] == entrants


def test_a_first_trial_that_diverged_is_no_finalist(tmp_path: Path, config: SearchConfig) -> None:
    diverged = score(0.0) | {"epoch": 2, "epochs": [row(2, 0.0) | {"diverged": True}]}
    for number, report in enumerate([diverged, score(0.9), score(0.8), score(0.85)]):
        write_attempt(tmp_path / "trials" / f"t{number:04d}", [report])
    config = config.with_overrides({"search.finalists": "3"})
    search = SearchResult(tmp_path, config, {}, read_trials(tmp_path, config))
    assert [trial.number for trial in search.entrants] == [1, 3, 2]


@pytest.mark.parametrize(
    ("trials", "epochs", "entrants"),
    [
        (2, 6, 1),  # as many epochs as two complete trials: no room for a finalist's three runs
        (6, 6, 2),
        (8, 6, 2),
        (6, 3, 1),  # three of them were pruned
        (12, 6, 4),
        (40, 6, 5),
    ],
)
def test_finalists_take_no_more_epochs_than_the_trials(
    tmp_path: Path, config: SearchConfig, trials: int, epochs: int, entrants: int
) -> None:
    for number in range(trials):
        report = score(0.5) if number % 2 else {**score(0.4), "epoch": epochs, "epochs": [row(epochs, 0.4)]}
        write_attempt(tmp_path / "trials" / f"t{number:04d}", [report])
    config = replace(config, search=config.search.model_copy(update={"finalists": None, "finalist_seeds": 3}))
    search = SearchResult(tmp_path, config, {}, read_trials(tmp_path, config))
    assert len(search.entrants) == entrants
    trained = sum(trial.epoch for trial in search.trials)
    assert entrants == 1 or entrants * 3 * config.recipe.epochs <= trained


@pytest.mark.parametrize(("judged", "counts"), [([1, 3, 0], True), ([1, 3, 2], True), ([1, 2, 0], False)])
def test_verdicts_of_earlier_versions_count(
    tmp_path: Path, config: SearchConfig, judged: list[int], counts: bool
) -> None:
    """They have the three best, without the first trial."""
    for number, value in enumerate([0.7, 0.9, 0.8, 0.85]):
        write_attempt(tmp_path / "trials" / f"t{number:04d}", [score(value)])
    scores = {"mean": 0.5, "sd": None, "n": 1, "scores": [0.5]}
    names = [f"t{number:04d}" for number in judged]
    verdict = {"seeds": [3], "trials": dict.fromkeys(names, scores), "winner": names[-1], "runner_up": names[0]}
    verdict |= {"margin": {"mean": 0.0, "low": None, "high": None, "confidence": 0.95}, "tied": True}
    (tmp_path / "finalists.json").write_text(json.dumps(verdict))
    config = config.with_overrides({"search.finalists": "3"})
    search = SearchResult(tmp_path, config, {}, read_trials(tmp_path, config))
    assert (search.finalists is not None) == counts
    assert search.winner is not None
    assert search.winner.name == (names[-1] if counts else "t0001")


@pytest.mark.parametrize(
    ("states", "error", "line", "hopeless"),
    [
        ([], None, "no trial is complete yet", False),
        (["failed", "failed", "failed"], "OSError: disk", "no trial is complete: t0000: OSError: disk", False),
        (["pruned", "running", "diverged"], None, "no trial is complete yet", False),
        (["diverged", "pruned"], None, "no trial is complete: 1 diverged, 1 pruned", False),  # one has not begun
        (["diverged", "pruned", "diverged"], None, "no trial is complete: 2 diverged, 1 pruned", True),
    ],
)
def test_why_there_is_no_winner(
    config: SearchConfig, states: list[State], error: str | None, line: str, hopeless: bool
) -> None:
    trials = [TrialResult(number, {}, Recipe(), 0, None, [], state, error) for number, state in enumerate(states)]
    search = SearchResult(Path("gone"), config.with_overrides({"search.samples": "3"}), {}, trials)
    assert search.winner is None
    assert (search.why_no_winner, search.hopeless) == (line, hopeless)
