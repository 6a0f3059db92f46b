"""Writes a figure as SVG, whose parts show titles when the mouse hovers over them.

A title is stored as its artist's gid, which matplotlib writes as the id of the artist's group. It is JSON, because an
attribute keeps no line breaks. Nothing refers to a group's id, so all of these ids are removed, and no two pictures of
a page share one.
"""

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import matplotlib
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tune_s11.report.figures.canvas import any_script, in_style, lay_out, png

_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"

_REACH = "fill: none; stroke: transparent; stroke-width: 3.5"
"""Style of an invisible line, in points, that widens a thin line for the mouse but does not cover its neighbours."""

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot represent; folder names may contain them."""


def set_title(artist: Artist, title: str) -> None:
    """Give a title to an artist that is drawn as one element. It may have several lines."""
    artist.set_gid(json.dumps(title))


def set_point_titles(line: Line2D, titles: Sequence[str]) -> None:
    """Give each marker of a line a title of its own, (points,)."""
    line.set_gid(json.dumps(list(titles)))


@in_style
@any_script()
def svg(figure: Figure, name: str) -> str:
    """Return the figure as SVG, for a page or a separate file. The same figure gives the same bytes.

    Text stays text, in the figure's font or the reader's sans-serif. Elements with a title have the class ``titled``;
    transparent lines that serve only the mouse have the class ``reach``.

    Args:
        figure: Figure of lines, markers, bars and text.
        name: Name that is unique on the page, which makes the ids unique.
    """
    lay_out(figure)
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(_NO_XML.sub("\ufffd", buffer.getvalue()))
    for element in root.iter():
        _simplify(element)
    for parent, child in ((".", "metadata"), ("defs", "style")):  # the style sheet would apply to the whole page
        for it in root.findall(parent):
            for needless in it.findall(child):
                it.remove(needless)
    for group in list(root.iter("g")):
        _add_titles(group, group.attrib.pop("id", ""))
    root.attrib |= {"xmlns": _SVG, "xmlns:xlink": _XLINK, "stroke-linejoin": "round"}
    return ElementTree.tostring(root, encoding="unicode")


def save(figure: Figure, path: Path) -> None:
    """Write the figure to a file: as SVG if its name ends with ``.svg``, otherwise as a PNG."""
    if path.suffix.lower() == ".svg":
        path.write_text(svg(figure, path.stem), encoding="utf-8")
    else:
        path.write_bytes(png(figure))


def _simplify(element: Element) -> None:
    """Write names without a namespace, or with the usual prefix: ElementTree would number the namespaces."""
    element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
    for key in [key for key in element.attrib if key.startswith("{")]:
        element.set(key.replace(f"{{{_XLINK}}}", "xlink:"), element.attrib.pop(key))


def _add_titles(group: Element, gid: str) -> None:
    """Add the titles stored in the id of an artist's group, if any; other ids are a word and a number."""
    if gid.startswith('"'):
        _title(group, json.loads(gid))
        line = group.find("path")
        if line is not None and "fill: none" in line.get("style", ""):
            group.append(Element("path", line.attrib | {"class": "reach", "style": _REACH}))
    elif gid.startswith("["):
        markers, titles = list(group.iter("use")), json.loads(gid)
        # A value that is not finite, or has no place on a log scale, has no marker: titles cannot be assigned then.
        if len(markers) == len(titles):
            for marker, title in zip(markers, titles, strict=True):
                _title(marker, title)


def _title(element: Element, text: str) -> None:
    element.set("class", "titled")
    title = Element("title")
    title.text = _NO_XML.sub("\ufffd", text)
    element.insert(0, title)
