"""The head of a search's report, of which a part is missing."""

import json
from pathlib import Path

import pytest

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


def test_finalists_and_shorter_trainings_are_counted(search_path: Path) -> None:
    row = (search_path / "best/seed-0/metrics.jsonl").read_text().splitlines()[0]
    once = json.dumps(json.loads(row) | {"seconds": 1800.0}) + "\n"
    for run in ("finalists/t0001/seed-9", "lengths/t0001/3-epochs/seed-9"):
        (search_path / run).mkdir(parents=True)
        (search_path / run / "metrics.jsonl").write_text(once)
    report = gather(load_search(str(search_path), search_path.parent))
    threads = next(trial.hardware.threads for trial in report.search.trials if trial.hardware)
    assert report.numbers["cost"]["repeated"] == {"core_hours": threads * 1.0, "gpu_hours": 0.0}
    assert f"{threads * 1.0:.3g} core-hours for running the best again" in render(report.numbers, {})


def test_a_search_has_a_name_from_within_its_folder(search_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(search_path)
    assert gather(load_search(".", Path("results"))).numbers["search"]["name"] == search_path.name


def test_damaged_refits_leave_the_rest_of_the_cost(search_path: Path) -> None:
    (search_path / "best" / "seed-0" / "metrics.jsonl").write_text('{"epoch": 1}\n')
    report, gaps, _ = compose_with_gaps(search_path)
    assert gaps["the refits' cost"] == f"{search_path}/best/seed-0/metrics.jsonl is damaged"
    assert report.numbers["cost"]["refits"] is None
