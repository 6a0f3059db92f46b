"""Searches that went wrong or have hardly begun: the section has what is there, and says what is missing and why."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.report.helpers import compose_with_gaps

FULL = [0.2, 0.5, 0.6, 0.7, 0.75, 0.81]
Write = Callable[..., None]


def space(path: Path, text: str) -> None:
    file = path / "search.yaml"
    before, _, after = file.read_text().partition("space:\n")
    file.write_text(f"{before}space: {text}\nsearch:{after.partition('search:')[2]}")


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        edit(line)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_no_trial_has_finished(empty: Path, write_trial: Write) -> None:
    write_trial(empty / "trials", 0, 0.9, [0.2, 0.5, 0.6], done=False)
    report, gaps, _ = compose_with_gaps(empty)
    assert set(gaps) == {"the parameters' importance", "the winner and its test accuracy"}
    assert gaps["the parameters' importance"] == "needs at least 10 complete trials, but there are none"
    assert set(report.figures) == {"trials", "best_so_far", "timeline", "parallel", "slices", "range_test"}
    assert report.numbers["best_so_far"][-1]["complete"] is None
    assert report.numbers["pruning"]["rungs"][0]["averaged"] == {"n": 0, "rho": None, "low": None, "high": None}
    assert report.numbers["pruning"]["audit"]["why"] == "no trial continued past a rung that would have stopped it"


def test_one_trial(empty: Path, write_trial: Write) -> None:
    write_trial(empty / "trials", 0, 0.9, FULL, done=True)
    report, gaps, _ = compose_with_gaps(empty)
    assert gaps["the parameters' importance"] == "needs at least 10 complete trials, but there is 1"
    assert set(gaps) == {"the parameters' importance", "the test accuracy"}
    assert report.numbers["workers"]["sessions"] == [{"workers": 1, "seconds": 11.0}]
    assert report.numbers["workers"]["idle_share"] == pytest.approx(2 / 11)


@pytest.mark.parametrize("scores", [[0.0], [0.3, 0.0]])
def test_all_diverged(empty: Path, write_trial: Write, scores: list[float]) -> None:
    for number in (0, 1):
        write_trial(empty / "trials", number, 0.9, scores, done=True)
    report, gaps, _ = compose_with_gaps(empty)
    assert ("the best score so far" in gaps) == (scores == [0.0])
    assert {"trials", "timeline", "parallel", "slices"} <= set(report.figures)
    assert report.numbers["winner"] is None


def test_half_written_reports(trials_alone: Path) -> None:
    for trial in (trials_alone / "trials").glob("t*/result.json"):
        trial.write_text(trial.read_text()[:-30])
    report, _, _ = compose_with_gaps(trials_alone)
    assert [trial["epoch"] for trial in report.numbers["trials"][:3]] == [4, 4, 2]
    assert {"trials", "best_so_far", "timeline", "parallel", "slices"} <= set(report.figures)


def test_reports_without_times(trials_alone: Path) -> None:
    for number in (0, 4):
        change(trials_alone / "trials" / f"t{number:04d}" / "result.json", lambda line: line.pop("timestamp"))
    report, gaps, page = compose_with_gaps(trials_alone)
    assert gaps["the best score so far and what the workers did"] == "some reports have no times: t0000, t0004"
    assert not {"best_so_far", "timeline"} & set(report.figures)
    assert report.numbers["cost"]["trials"]["core_hours"] == pytest.approx(19 * 1.5 / 3600)
    assert "The workers were idle" not in page


def test_a_resumed_search_names_its_break(trials_alone: Path) -> None:
    later = trials_alone / "trials" / "t0004" / "result.json"
    change(later, lambda line: line.update(timestamp=line["timestamp"] + 36_000, pid=900))
    report, _, page = compose_with_gaps(trials_alone)
    workers = report.numbers["workers"]
    assert workers["break_seconds"] == [36_002.0]  # the first session ends at 17 s, the fourth trial began at 19 s
    assert workers["idle_share"] == pytest.approx(1 - 28.5 / (2 * 16 + 7))
    assert "is left out: 10 h 0 min" in page


def test_equal_scores(empty: Path, write_trial: Write) -> None:
    for number in range(11):
        write_trial(empty / "trials", number, 0.9 + 0.001 * number, FULL, done=True)
    report, gaps, _ = compose_with_gaps(empty)
    assert gaps["the parameters' importance"] == "all 11 complete trials have the same score"
    rung = report.numbers["pruning"]["rungs"][0]
    assert (rung["averaged"]["n"], rung["averaged"]["rho"]) == (11, None)
    assert {"best_so_far", "timeline", "parallel", "slices", "changes"} <= set(report.figures)


def test_a_single_parameter(trials_alone: Path) -> None:
    space(trials_alone, "{momentum: {uniform: [0.8, 0.98]}}")
    report, gaps, _ = compose_with_gaps(trials_alone)
    assert gaps["the trials across their parameters"] == "only one parameter is searched"
    assert gaps["the parameters' importance"] == "needs at least 2 parameters that vary, but there is 1"
    assert "slices" in report.figures


def test_no_parameter(trials_alone: Path) -> None:
    space(trials_alone, "{}")
    report, gaps, _ = compose_with_gaps(trials_alone)
    assert gaps["the parameters"].startswith("the space is empty")
    assert report.numbers["parameters"] is None


def test_categorical_parameters(trials_alone: Path) -> None:
    """Of which the space has other choices now than when the trials were begun."""
    space(trials_alone, "{max_lr: {choice: [0.1, 0.2]}, momentum: {uniform: [0.85, 0.9]}}")
    report, gaps, _ = compose_with_gaps(trials_alone)
    assert "the range test" not in gaps
    parameters = report.numbers["parameters"]
    assert parameters["max_lr"]["choices"] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert parameters["momentum"] == {"low": 0.81, "high": 0.98, "log": False}
    assert {"parallel", "slices"} <= set(report.figures)


def test_importances_of_enough_trials(empty: Path, write_trial: Write) -> None:
    for number in range(12):
        write_trial(empty / "trials", number, 0.8 + 0.01 * number, [*FULL[:5], 0.7 + 0.01 * number], done=True)
    report, gaps, page = compose_with_gaps(empty)
    assert set(gaps) == {"the test accuracy"}
    found = report.numbers["importance"]
    assert found["n"] == 12
    assert set(found["evaluators"]["fANOVA"]) == {"max_lr", "momentum"}
    assert "importance" in report.figures
    assert "nothing" not in page.partition("Could pruning be trusted?")[2].lower().partition("<h2>")[0]
