"""The page as a browser shows it."""

import re
from pathlib import Path
from typing import Any

import pytest

from tune_s11.report import write_report
from tune_s11.results import load_result, load_search

pytestmark = pytest.mark.browser

OF_SEARCH = [
    "The winning recipe",
    "Learning rate",
    "Learning curves",
    "Training and test",
    "The search",
    "Could pruning be trusted?",
    "What the network looks at",
    "Provenance",
    "What could not be shown",
]
OF_RUN = ["Learning rate", "Training and test", "What the network looks at", "The recipe", "Provenance"]


@pytest.fixture(scope="module")
def address(pristine: Path) -> str:
    return write_report(load_search(str(pristine), pristine.parent)).as_uri()


@pytest.fixture(scope="module")
def run_address(pristine_run: Path) -> str:
    return write_report(load_result(str(pristine_run), pristine_run.parent)).as_uri()


@pytest.fixture(params=["address", "run_address"])
def either_address(request: pytest.FixtureRequest) -> str:
    """The page of a search, and of a single run."""
    return str(request.getfixturevalue(request.param))


def rgb(color: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", color)[:3]]


@pytest.mark.landing
@pytest.mark.parametrize(("page", "sections"), [("address", OF_SEARCH), ("run_address", OF_RUN)])
def test_each_section_and_picture_is_there(
    tab: Any, request: pytest.FixtureRequest, page: str, sections: list[str]
) -> None:
    address = str(request.getfixturevalue(page))
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(address)
    assert tab.locator("h2").all_inner_texts() == sections
    pictures = tab.locator("figure img")
    written = list(Path(address.removeprefix("file://")).parent.glob("*.png"))
    assert pictures.count() == len(written)
    widths = pictures.evaluate_all("images => images.map(image => image.naturalWidth)")
    assert min(widths) > 300
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_reaches_beyond_the_window(tab: Any, either_address: str, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto(either_address)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_light_dark_and_print(tab: Any, either_address: str) -> None:
    tab.goto(either_address)
    papers = {}
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        papers[scheme] = rgb(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
        ink = rgb(tab.evaluate("getComputedStyle(document.body).color"))
        assert abs(sum(ink) - sum(papers[scheme])) > 3 * 128
    assert min(papers["light"]) > 200
    assert max(papers["dark"]) < 60
    assert tab.pdf().startswith(b"%PDF")
