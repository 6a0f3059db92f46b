"""What a search folder tells of when and where its trials were trained."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tune_s11.results import SearchResult, Span, read_trials
from tune_s11.search_space import SearchConfig, parse_space
from tune_s11.training.metrics import EpochMetrics

HARDWARE = {"device": "cuda", "precision": "bf16", "threads": 4}


@pytest.fixture
def config() -> SearchConfig:
    return parse_space({"recipe": {"epochs": 6}, "space": {"momentum": {"uniform": [0.8, 0.9]}}}, "")


def write_attempt(folder: Path, reports: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True)
    (folder / "params.json").write_text(json.dumps({"params": {"momentum": 0.85}, "seed": 0}))
    (folder / "result.json").write_text("".join(json.dumps(report) + "\n" for report in reports))


def row(epoch: int, score: float) -> dict[str, Any]:
    return asdict(EpochMetrics(epoch, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, score, 1.5, 1000.0, False))


def report(first: int, last: int, **ray: Any) -> dict[str, Any]:
    epochs = [row(epoch, 0.1 * epoch) for epoch in range(first, last + 1)]
    return {"epoch": last, "epochs": epochs, "hardware": HARDWARE, "done": False} | ray


def test_spans_say_when_and_where(tmp_path: Path, config: SearchConfig) -> None:
    lines = [report(1, 2, timestamp=1000, time_this_iter_s=7.5, pid=12, hostname="a", gpu="1")]
    write_attempt(tmp_path / "trials" / "t0000", lines)
    (trial,) = read_trials(tmp_path, config)
    assert trial.spans == (Span("a:12", "a:1", 992.5, 1000.0, tuple(trial.rows)),)


def test_epochs_trained_again_are_in_two_spans(tmp_path: Path, config: SearchConfig) -> None:
    ray = {"time_this_iter_s": 5, "hostname": "a"}
    write_attempt(tmp_path / "trials" / "t0000", [report(1, 3, timestamp=1000, pid=12, **ray)])
    write_attempt(tmp_path / "trials" / "t0000.1", [report(2, 4, timestamp=9000, pid=40, **ray)])
    (trial,) = read_trials(tmp_path, config)
    assert [row.epoch for row in trial.rows] == [1, 2, 3, 4]
    assert [(span.worker, [row.epoch for row in span.rows]) for span in trial.spans] == [
        ("a:12", [1, 2, 3]),
        ("a:40", [2, 3, 4]),
    ]


def test_the_tenth_time_a_trial_is_taken_up_is_later_than_the_second(tmp_path: Path, config: SearchConfig) -> None:
    for attempt, last in enumerate([1, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6]):
        folder = tmp_path / "trials" / ("t0000" + (f".{attempt}" if attempt else ""))
        write_attempt(folder, [report(1, last)])
    (trial,) = read_trials(tmp_path, config)
    assert (trial.epoch, trial.state) == (6, "complete")


@pytest.mark.parametrize("missing", ["timestamp", "time_this_iter_s", "pid", "hostname"])
def test_reports_without_times_have_no_span(tmp_path: Path, config: SearchConfig, missing: str) -> None:
    ray = {"timestamp": 1000, "time_this_iter_s": 5, "pid": 12, "hostname": "a"}
    del ray[missing]
    write_attempt(tmp_path / "trials" / "t0000", [report(1, 2, **ray)])
    (trial,) = read_trials(tmp_path, config)
    assert (trial.spans, trial.epoch) == ((), 2)


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
