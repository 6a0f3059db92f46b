"""Writes the report on a search or a single run: ``index.html``, ``report.json`` and the pictures."""

import base64
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jinja2

from tune_s11.results import RunResult, SearchResult
from tune_s11.results.manifest import WARM_START
from tune_s11.storage.files import write_whole
from tune_s11.text import format_seconds, short

_NONE = "\u2013"


def write_report(
    result: SearchResult | RunResult,
    layer: str | None = None,
    commands: Mapping[str, str] | None = None,
    target: float | None = None,
) -> Path:
    """Write ``report/`` in the folder of a search or run: the page, its numbers and its pictures.

    Each picture is a PNG with 200 pixels per inch. Drawings are also written as SVG, which the page shows instead.
    Missing or damaged parts are left out, and the page names them.

    Args:
        result: Search or run: finished, interrupted or running.
        layer: Module from whose output heat maps are computed; see :func:`tune_s11.report.gradcam.heat_maps`.
        commands: Shell commands to show; see :class:`tune_s11.report.builder.SearchBuilder` and ``RunBuilder``.
        target: Accuracy at which figures draw a line; None: the search's or run's own.

    Returns:
        The path of ``index.html``.
    """
    from tune_s11.report.figures import png, svg
    from tune_s11.report.sections import gather

    report = gather(result, layer, commands, target)
    folder = result.folder
    folder.report.mkdir(exist_ok=True)
    for old in folder.report_pictures():
        old.unlink()
    embedded = {}
    for name, figure in report.figures.items():
        picture = report.attempt(f"the picture {folder.report_picture(name).name}", partial(png, figure))
        if picture is None:
            continue
        folder.report_picture(name).write_bytes(picture)
        drawing = None
        if not any(axes.images for axes in figure.axes):  # photos, heat maps and matrices are pixels
            drawing = report.attempt(f"the picture {folder.report_drawing(name).name}", partial(svg, figure, name))
        if drawing is not None:
            folder.report_drawing(name).write_text(drawing, encoding="utf-8")
        embedded[name] = drawing or f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    write_whole(folder.report_numbers, json.dumps(report.numbers, indent=1))
    write_whole(folder.report_page, render(report.numbers, embedded))
    return folder.report_page


def render(numbers: dict[str, Any], pictures: dict[str, str]) -> str:
    """Return the page as self-contained HTML.

    Args:
        numbers: Numbers of ``report.json``.
        pictures: Pictures by name, each an SVG or the data URI of a PNG.
    """
    from tune_s11.report import sections
    from tune_s11.report.builder import RunBuilder, SearchBuilder

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([Path(__file__).with_name("templates"), *sections.__path__]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "points": _points, "number": _number, "duration": format_seconds}
    # The manifest's copy of the configuration serves the resume checks; the page shows its main part elsewhere.
    hidden = {"search", WARM_START}
    circumstances = _flat({key: value for key, value in numbers["manifest"].items() if key not in hidden})
    weights = (numbers["run"] if "run" in numbers else numbers["search"])["weights"]
    shown = [f"{name}.html.j2" for name in sections.sections_of(RunBuilder if "run" in numbers else SearchBuilder)]
    page = environment.get_template("page.html.j2")
    return page.render(numbers, weights=weights, pictures=pictures, circumstances=list(circumstances), sections=shown)


def _percent(fraction: float | None, digits: int = 2) -> str:
    return _NONE if fraction is None else f"{100 * fraction:.{digits}f}\u202f%"


def _points(difference: float) -> str:
    """Return a difference of two accuracies in percentage points."""
    return f"{100 * difference:.2f}\u202fpercentage points"


def _number(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: _NONE}[value]
    return short(value)


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}, ")
        else:
            yield prefix + key, _number(", ".join(map(str, value)) or None if isinstance(value, list) else value)
