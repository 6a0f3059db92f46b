"""The head of a search's report, of which a part is missing."""

from pathlib import Path

from tests.report.helpers import compose_with_gaps
from tune_s11.report.page import render
from tune_s11.report.sections import gather
from tune_s11.results import load_search


def test_without_commands_there_are_none_to_show(search_path: Path) -> None:
    space = search_path / "search.yaml"
    space.write_text(space.read_text().replace("max_lr: range_test", "max_lr: {loguniform: [0.01, 0.41]}"))
    report = gather(load_search(str(search_path), search_path.parent))
    assert report.numbers["commands"] == {}
    assert report.numbers["edge"]["command"] is None
    page = render(report.numbers, {})
    assert "a better one may lie beyond.</div>" in page
    assert "<pre>" not in page


def test_damaged_refits_leave_the_rest_of_the_cost(search_path: Path) -> None:
    (search_path / "best" / "seed-0" / "metrics.jsonl").write_text('{"epoch": 1}\n')
    report, gaps, _ = compose_with_gaps(search_path)
    assert gaps["the refits' cost"] == f"{search_path}/best/seed-0/metrics.jsonl is damaged"
    assert report.numbers["cost"]["refits"] is None
