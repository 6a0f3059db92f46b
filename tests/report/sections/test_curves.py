"""Learning curves of a search's winner and of a run."""

from pathlib import Path

from tests.report.helpers import compose_run, compose_search


def test_a_winner_and_a_validated_run_have_curves_and_a_tested_run_has_not(
    search_path: Path, validated_path: Path, tested_path: Path
) -> None:
    assert {"curves", "changes"} <= set(compose_search(search_path).figures)
    assert {"curves", "changes"} <= set(compose_run(validated_path)[0].figures)
    assert not {"curves", "changes"} & set(compose_run(tested_path)[0].figures)


def test_one_epoch_has_no_changes(validated_path: Path) -> None:
    metrics = validated_path / "metrics.jsonl"
    metrics.write_text(metrics.read_text().splitlines(keepends=True)[0])
    report, _ = compose_run(validated_path)
    assert "curves" in report.figures
    assert {"what": "the changes from epoch to epoch", "why": "there is one epoch"} in report.numbers["not_shown"]
