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


def test_the_spread_of_two_lengths_is_left_out() -> None:
    scores = {"mean": 0.91, "sd": 0.01, "n": 2}
    entry = {
        **{key: RESULTS["cpu"][key] for key in ("date", "machine", "packages", "python", "command")},
        **{"processor": "AMX", "precision": "bf16", "network": "s11", "width": 64, "train_images": 50000},
        "lengths": {
            "6": {"steps": 588, "minutes": 9.0, "test_accuracy": {"cycle": scores}},
            "20": {"steps": 1960, "minutes": 30.0, "test_accuracy": {"cycle": scores | {"n": 3}}},
        },
        **{"target": 0.9, "fewest": {"cycle": 20}, "searches": {}, "gains": {}, "picture": None},
        "as_accurate_in": {"steps": [12.04, 6, None]},
    }
    page = render({"lengths": {"lengths-s11-64-all": entry}})
    assert "| one cycle, tuned | 91.00 (n = 2) | 91.00 ± 1.00 (n = 3) |" in page
    assert "| training steps | 588 | 1,960 |" in page
    assert "12.0 epochs (at most 6 to more than 20) are as accurate as 20 epochs of reduce on plateau, tuned" in page
    assert "![" not in page
