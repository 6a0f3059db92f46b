"""Accuracy against cost, of a made-up search with and without a target."""

from pathlib import Path
from typing import Any

from tests.report.helpers import compose_search, compose_with_gaps
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.lr_range.cycles import Cycle, Outcome
from tune_s11.report.sections.lengths import best_of_each
from tune_s11.results import SearchFolder, SearchResult, load_search
from tune_s11.results.lr_range import RangeTest
from tune_s11.results.records import Lengths
from tune_s11.search.steps.lengths import score_length

CYCLES = {
    Cycle(1, 0.01, 0): Outcome(0.3, 1.9, 1),
    Cycle(1, 0.1, 0): Outcome(0.4, 1.5, 1),
    Cycle(2, 0.1, 0): Outcome(0.6, 1.1, 2),
    Cycle(2, 1.0, 0): Outcome(None, None, 1),
}
"""Of a range test: the best of one epoch has 0.4, one of two epochs diverged."""


def measured() -> RangeTest:
    return RangeTest(None, {}, LRBounds(0.05, 1.5, 0.1, 0.001, {}), CYCLES)


def with_target(path: Path, target: float, fewest: int | None) -> SearchResult:
    """Has the winner reach the target, or not, in fewer epochs than a trial's six."""
    file = SearchFolder(path).space
    file.write_text(file.read_text().replace("target: null", f"target: {target}"))
    search = load_search(str(path), path.parent)
    assert search.winner is not None
    tried = tuple(score_length({7: score, 8: score}, epochs) for epochs, score in ((6, 0.81), (3, 0.72), (4, 0.78)))
    lengths = Lengths(trial=search.winner.name, target=target, confidence=0.95, tried=tried, fewest=fewest)
    lengths.write(SearchFolder(path).lengths)
    return load_search(str(path), path.parent)


def accuracies(rows: list[dict[str, Any]]) -> list[tuple[int, float, str]]:
    return [(row["epochs"], round(row["accuracy"]["mean"], 4), row["by"]) for row in rows]


def test_each_length_has_its_best_recipe_and_several_runs_come_before_one(search_path: Path) -> None:
    search = load_search(str(search_path), search_path.parent)
    *cycles, trials = accuracies(best_of_each(search, measured(), None))
    assert cycles == [(1, 0.4, "range test"), (2, 0.6, "range test")]
    assert search.winner is not None
    assert (trials[0], trials[2]) == (6, "finalists" if search.finalists else "trials")

    search = with_target(search_path, 0.77, 4)
    rows = best_of_each(search, measured(), search.lengths)
    assert accuracies(rows)[2:] == [(3, 0.72, "target"), (4, 0.78, "target"), (6, 0.81, "target")]
    assert [row["accuracy"]["n"] for row in rows] == [1, 1, 2, 2, 2]


def test_a_target_is_reported_with_its_limit(search_path: Path) -> None:
    with_target(search_path, 0.77, 4)
    report, _, page = compose_with_gaps(search_path)
    assert report.numbers["lengths"]["fewest"] == 4
    assert "lengths" in report.figures
    assert "is reached in 4 epochs: there the lower 95 % limit" in page


def test_a_target_that_is_not_reached_is_a_warning(search_path: Path) -> None:
    with_target(search_path, 0.97, None)
    _, _, page = compose_with_gaps(search_path)
    assert "is not reached in 6 epochs, those of a trial" in page


def test_a_target_that_was_missed_at_once_is_a_warning_too(search_path: Path) -> None:
    """Without cycles only the trials' own length has been tried."""
    search = with_target(search_path, 0.97, None)
    assert search.lengths is not None
    search.lengths.model_copy(update={"tried": search.lengths.tried[:1]}).write(search.folder.lengths)
    search.folder.range_test.unlink()
    report, _, page = compose_with_gaps(search_path)
    assert "is not reached in 6 epochs, those of a trial" in page
    assert "lengths" not in report.figures


def test_lengths_of_another_winner_or_target_do_not_count(search_path: Path) -> None:
    search = with_target(search_path, 0.77, 4)
    assert search.lengths is not None
    file = SearchFolder(search_path).space
    file.write_text(file.read_text().replace("target: 0.77", "target: 0.78"))
    assert load_search(str(search_path), search_path.parent).lengths is None


def test_one_length_alone_is_no_comparison(trials_alone: Path) -> None:
    SearchFolder(trials_alone).range_test.unlink()
    assert compose_search(trials_alone).numbers["lengths"] is None
