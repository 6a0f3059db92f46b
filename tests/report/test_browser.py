"""The page as a browser shows it."""

import re
from pathlib import Path
from typing import Any

import pytest

from tune_s11.report import write_report
from tune_s11.results import load_search

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(pristine: Path) -> str:
    return write_report(load_search(str(pristine), pristine.parent)).as_uri()


def rgb(color: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", color)[:3]]


@pytest.mark.landing
def test_each_section_and_picture_is_there(tab: Any, address: str) -> None:
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(address)
    headings = tab.locator("h2").all_inner_texts()
    assert headings == [
        "The winning recipe",
        "Learning rate",
        "Learning curves",
        "Training and test",
        "The search",
        "Could pruning be trusted?",
        "What the winner looks at",
        "Provenance",
        "What could not be shown",
    ]
    pictures = tab.locator("figure img")
    written = list(Path(address.removeprefix("file://")).parent.glob("*.png"))
    assert pictures.count() == len(written)
    widths = pictures.evaluate_all("images => images.map(image => image.naturalWidth)")
    assert min(widths) > 300
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_reaches_beyond_the_window(tab: Any, address: str, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto(address)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_light_dark_and_print(tab: Any, address: str) -> None:
    tab.goto(address)
    papers = {}
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        papers[scheme] = rgb(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
        ink = rgb(tab.evaluate("getComputedStyle(document.body).color"))
        assert abs(sum(ink) - sum(papers[scheme])) > 3 * 128
    assert min(papers["light"]) > 200
    assert max(papers["dark"]) < 60
    assert tab.pdf().startswith(b"%PDF")
