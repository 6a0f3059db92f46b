"""Reports of made-up searches and runs before they are written; their pages must render from whatever they are."""

import html
import json
from collections.abc import Callable
from pathlib import Path

from tune_s11.cli.hints import repeat_commands, report_commands
from tune_s11.report.builder import ReportBuilder
from tune_s11.report.page import render
from tune_s11.report.sections import gather
from tune_s11.results import load_result, load_search

SEARCH = {"trials", "best_so_far", "timeline", "parallel", "slices"}
HEAT_MAPS = {"heat_maps", "heat_maps_correct"}
OF_TEST_IMAGES = {"confusion", "reliability"} | HEAT_MAPS
TEST_CURVE = {"test_curve", "test_changes"}
OF_REFIT = TEST_CURVE | OF_TEST_IMAGES
OF_RANGE_TEST = {"range_test", "lengths"}
"""Without the range test's cycles, the made-up search has tried a single length."""
ALL = SEARCH | OF_RANGE_TEST | {"schedule", "curves", "changes"} | OF_REFIT
TESTED = {"schedule", "test_curve", "test_changes"} | OF_TEST_IMAGES
SEED_0 = "best/seed-0"


def compose_search(path: Path, layer: str | None = None) -> ReportBuilder:
    """The report; the page must render from whatever they are."""
    search = load_search(str(path), path.parent)
    report = gather(search, layer, repeat_commands(search))
    page = html.unescape(render(json.loads(json.dumps(report.numbers)), {}))
    for gap in report.numbers["not_shown"]:
        assert gap["what"] in page
    few = "the parameters' importance"  # six trials are too few for it
    report.numbers["not_shown"] = [gap for gap in report.numbers["not_shown"] if gap["what"] != few]
    return report


def compose_with_gaps(path: Path) -> tuple[ReportBuilder, dict[str, str], str]:
    """The report, what is not shown and why, and the page's text."""
    report = gather(load_search(str(path), path.parent))
    page = html.unescape(render(json.loads(json.dumps(report.numbers)), {}))
    gaps = {gap["what"]: gap["why"] for gap in report.numbers["not_shown"]}
    assert all(what in page for what in gaps)
    return report, gaps, page


def compose_run(path: Path, target: float | None = None) -> tuple[ReportBuilder, str]:
    """The report, and the page's text without its pictures."""
    result = load_result(path.name, path.parent)
    report = gather(result, None, report_commands(result), target)
    page = html.unescape(render(json.loads(json.dumps(report.numbers)), dict.fromkeys(report.figures, "")))
    for gap in report.numbers["not_shown"]:
        assert gap["what"] in page
    return report, page


def edit(path: Path, change: Callable[[dict], object]) -> None:
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))
