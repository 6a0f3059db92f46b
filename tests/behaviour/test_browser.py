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
    "Accuracy against cost",
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
    images, drawings = tab.locator("figure img"), tab.locator("figure svg")
    written = list(Path(address.removeprefix("file://")).parent.glob("*.png"))
    assert images.count() + drawings.count() == len(written)
    assert min(images.evaluate_all("images => images.map(image => image.naturalWidth)")) > 300
    boxes = drawings.evaluate_all("all => all.map(svg => [svg.clientWidth, svg.clientHeight])")
    assert min(min(box) for box in boxes) > 200
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_reaches_beyond_the_window(tab: Any, either_address: str, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto(either_address)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_no_text_reaches_beyond_its_drawing(tab: Any, either_address: str) -> None:
    tab.goto(either_address)
    beyond = tab.evaluate(
        """() => [...document.querySelectorAll("figure svg")].flatMap(svg => {
            const whole = svg.getBoundingClientRect();
            return [...svg.querySelectorAll("text")].filter(text => {
                const box = text.getBoundingClientRect();
                return box.left < whole.left - 1 || box.right > whole.right + 1
                    || box.top < whole.top - 1 || box.bottom > whole.bottom + 1;
            }).map(text => text.textContent);
        })"""
    )
    assert beyond == []
    assert tab.locator("figure svg text").count() > 100


def test_the_mouse_over_a_trial_shows_what_it_is(tab: Any, address: str) -> None:
    tab.goto(address)
    drawing = tab.locator('[aria-label="Validation accuracy of every trial by epoch"]')
    drawing.scroll_into_view_if_needed()
    titles = drawing.locator("g.titled > title").all_text_contents()
    assert sorted(title.partition("\n")[0] for title in titles) == [
        "t0000, complete: 81.00 % after epoch 6",
        "t0001, pruned: 40.00 % after epoch 2",
        "t0002, complete: 84.00 % after epoch 6",
        "t0003, diverged in epoch 2",
        "t0004, running: 65.00 % after epoch 3",
    ]
    pruned = drawing.locator("g.titled", has_text="t0001, pruned")
    assert pruned.locator("title").text_content().endswith("\nmax_lr 0.3\nmomentum 0.85")
    # A little beside the line, whose middle is on the way from epoch 1 to 2.
    x, y = pruned.locator(".reach").evaluate(
        """path => {
            const at = path.getPointAtLength(path.getTotalLength() / 2).matrixTransform(path.getScreenCTM());
            return [at.x + 1.5, at.y];
        }"""
    )
    line = pruned.locator("path:not(.reach)").first
    width = "line => getComputedStyle(line).strokeWidth"
    thin = float(line.evaluate(width).removesuffix("px"))
    tab.mouse.move(x, y)
    under = "([x, y]) => document.elementFromPoint(x, y).closest('.titled').querySelector('title').textContent"
    assert tab.evaluate(under, [x, y]).startswith("t0001, pruned")
    assert float(line.evaluate(width).removesuffix("px")) > 2 * thin


def test_the_mouse_over_a_marker_shows_its_values(tab: Any, address: str) -> None:
    tab.goto(address)
    marker = tab.locator('[aria-label="Validation accuracy over each parameter"] use.titled', has_text="t0004").first
    marker.hover()
    assert "max_lr 0.6" in marker.locator("title").text_content()
    curve = tab.locator('[aria-label^="Accuracy, loss and learning rate"] use.titled title').all_text_contents()
    assert "epoch 6\nvalidation, EMA weights: 84.00 %" in curve


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
