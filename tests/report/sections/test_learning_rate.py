"""The winner's place in bounds that were given."""

from pathlib import Path

import pytest

from tests.report.helpers import compose_search


def test_given_bounds_and_a_winner_at_their_edge(search_path: Path) -> None:
    (search_path / "lr_range.json").unlink()
    space = search_path / "search.yaml"
    space.write_text(space.read_text().replace("max_lr: range_test", "max_lr: {loguniform: [0.01, 0.41]}"))
    report = compose_search(search_path)
    (gap,) = report.numbers["not_shown"]
    assert gap["why"] == "there was none: the search was given max_lr or bounds for it"
    edge = report.numbers["edge"]
    assert (edge["max_lr"], edge["low"], edge["high"]) == (pytest.approx(0.4), 0.01, 0.41)
    assert edge["command"].endswith("search.yaml --lr-bounds 0.01 4.1")
    space.write_text(space.read_text().replace("space:", "space:\n  min_lr_fraction: range_test"))
    edge = compose_search(search_path).numbers["edge"]
    assert edge["command"].endswith("search.yaml --set min_lr_fraction=0.01 --lr-bounds 0.01 4.1")
