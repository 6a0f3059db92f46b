"""What the page of results says of few runs, and that its notes are kept."""

import json
from pathlib import Path

from benchmarks.headline.tables import NOTES, notes_of, render

DOCS = Path(__file__).parents[3] / "docs"
RESULTS = json.loads((DOCS / "results.json").read_text())


def test_two_runs_have_no_spread_and_three_have() -> None:
    entry = RESULTS["cpu"]
    refit = entry["refit"]
    assert refit["test_accuracy"]["n"] == 2
    page = render({"cpu": entry})
    assert f"| {refit['test_accuracy']['mean']:.4f} | - | 2 |" in page
    three = refit["test_accuracy"] | {"n": 3, "sd": 0.0012}
    page = render({"cpu": entry | {"refit": refit | {"test_accuracy": three}}})
    assert f"| {three['mean']:.4f} | 0.0012 | 3 |" in page


def test_the_page_is_what_its_numbers_make_of_it_with_the_notes_below() -> None:
    page = DOCS / "results.md"
    assert page.read_text() == render(RESULTS) + notes_of(page)
    assert notes_of(page).startswith(NOTES)
    assert notes_of(page.with_name("none.md")) == ""
