"""Provenance: the manifest, and the commands that repeat a search."""

from pathlib import Path

from tests.report.helpers import compose_run, compose_search


def test_a_lost_manifest_is_named(search_path: Path) -> None:
    (search_path / "manifest.json").unlink()
    report = compose_search(search_path)
    why = f"{search_path / 'manifest.json'} is missing or damaged"
    assert {"what": "the provenance", "why": why} in report.numbers["not_shown"]
    assert report.numbers["manifest"] == {}


def test_a_run_has_its_manifest(tested_path: Path) -> None:
    report, page = compose_run(tested_path)
    assert report.numbers["manifest"]["created"] in page
