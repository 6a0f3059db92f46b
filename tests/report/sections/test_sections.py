"""A report section is two files: a module and the template beside it."""

import json
from pathlib import Path

import pytest

from tune_s11.report import sections
from tune_s11.report.builder import RunBuilder, SearchBuilder
from tune_s11.report.page import render
from tune_s11.results import load_search

MODULE = '''
"""Where the largest learning rates led."""

from matplotlib.figure import Figure

from tune_s11.report.builder import SearchBuilder

PLACE = 65
SHOWN_IN = SearchBuilder


def add(report):
    """Add ``bold``."""
    report.numbers["bold"] = max(trial.recipe.max_lr for trial in report.search.trials)
    report.draw("bold", "the boldest trial", Figure)
'''

TEMPLATE = """
{% from "macros.html.j2" import picture with context %}
<section><h2>The boldest trial</h2><p>{{ bold | number }}</p>{{ picture("bold", "A figure", "Nothing yet.") }}</section>
"""


def test_a_new_section_is_two_files(search_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "own_sections"
    folder.mkdir()
    (folder / "bold.py").write_text(MODULE)
    (folder / "bold.html.j2").write_text(TEMPLATE)
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(folder)])
    report = sections.gather(load_search(str(search_path), search_path.parent))
    assert report.numbers["bold"] == pytest.approx(0.7)
    assert "bold" in report.figures
    page = render(json.loads(json.dumps(report.numbers)), {"bold": "<svg/>"})
    headings = [part.split("</h2>")[0] for part in page.split("<h2>")[1:]]
    assert headings[headings.index("The boldest trial") - 1] == "The search"
    assert headings[headings.index("The boldest trial") + 1] == "Could pruning be trusted?"


def test_every_section_has_a_template_and_every_template_a_section() -> None:
    (folder,) = map(Path, sections.__path__)
    modules = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    assert modules == {file.name.removesuffix(".html.j2") for file in folder.glob("*.j2")}
    assert modules == sections.sections_of(SearchBuilder).keys() | sections.sections_of(RunBuilder).keys()
