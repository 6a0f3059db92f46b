"""Searches without a winner, and winners without refits."""

import html
import json
import shutil
from pathlib import Path

from tests.report.helpers import SEARCH, compose_search
from tune_s11.report.page import render
from tune_s11.report.sections import gather
from tune_s11.report.tables import refit_facts
from tune_s11.results import load_search, read_refits


def test_search_without_refits_shows_how_to_resume_it(search_path: Path) -> None:
    shutil.rmtree(search_path / "best")
    search = load_search(str(search_path), search_path.parent)
    numbers = compose_search(search_path).numbers
    assert numbers["commands"]["resume"] == f"python run_search.py --resume own --storage {search_path.parent}"
    assert f"<pre>{numbers['commands']['resume']}</pre>" in html.unescape(render(numbers, {}))
    assert "--resume" not in render(gather(search).numbers, {})


def test_no_trial_at_its_end_yet(search_path: Path) -> None:
    for name in ("t0000", "t0002"):
        shutil.rmtree(search_path / "trials" / name)
    report = compose_search(search_path)
    assert [gap["what"] for gap in report.numbers["not_shown"]] == ["the winner and its test accuracy"]
    assert set(report.figures) == SEARCH | {"range_test"}


def test_of_refits_that_diverged_none_is_looked_at(search_path: Path) -> None:
    """The exported network is the first that has not."""
    file = search_path / "best" / "metrics.json"
    metrics = json.loads(file.read_text())
    metrics["runs"][0]["diverged"] = True
    file.write_text(json.dumps(metrics))
    assert compose_search(search_path).numbers["predicted"]["seed"] == 1


def test_only_fields_that_the_refits_change_are_named(search_path: Path) -> None:
    search = load_search(str(search_path), search_path.parent)
    assert search.winner is not None
    refits, recipe = read_refits(search, search.winner), search.winner.recipe
    assert refit_facts(refits, recipe)["changed"] == {"width": refits.recipe.width}
    same = refits.model_copy(update={"recipe": recipe})
    assert refit_facts(same, recipe)["changed"] == {}
