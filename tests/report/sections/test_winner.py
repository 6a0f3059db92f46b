"""Searches without a winner, and winners without refits."""

import html
import shutil
from pathlib import Path

from tests.report.helpers import SEARCH, compose_search
from tune_s11.report.page import render
from tune_s11.report.sections import gather
from tune_s11.results import load_search


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
