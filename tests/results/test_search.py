"""Who has won a search."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.results.attempts import HARDWARE, row, write_attempt
from tune_s11.results import SearchResult, read_trials
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
