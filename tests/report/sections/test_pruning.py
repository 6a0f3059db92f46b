"""Searches that prune nothing."""

from pathlib import Path

import pytest

from tests.report.helpers import compose_with_gaps


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [("scheduler: asha", "scheduler: none", "with scheduler none"), ("grace: 2", "grace: 6", "with scheduler asha")],
)
def test_nothing_was_pruned(trials_alone: Path, old: str, new: str, says: str) -> None:
    file = trials_alone / "search.yaml"
    file.write_text(file.read_text().replace(old, new))
    report, _, page = compose_with_gaps(trials_alone)
    assert report.numbers["pruning"] is None
    assert f"Nothing was pruned: {says} no rung lies before epoch 6, the last." in page
