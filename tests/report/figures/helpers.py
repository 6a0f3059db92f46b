"""What a figure shows, read back."""

from xml.etree import ElementTree

import matplotlib
from matplotlib.figure import Figure

from tune_s11.report import figures

NAMES = {"svg": "http://www.w3.org/2000/svg"}
PARAMS = {"max_lr": 0.1, "momentum": 0.9, "width": 32, "pad": 4, "weight_decay": 5e-4}
FULL = [0.2, 0.4, 0.5, 0.6, 0.7, 0.8]


def width_and_height(figure: Figure) -> tuple[int, int]:
    png = figures.png(figure, dpi=40)
    assert png.startswith(b"\x89PNG")
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])


def texts(figure: Figure, panel: int = 0) -> str:
    legend = figure.axes[panel].get_legend()
    assert legend is not None
    return "; ".join(text.get_text() for text in legend.get_texts())


def drawn(figure: Figure) -> list[str]:
    """All text of a figure that can be saved."""
    before = dict(matplotlib.rcParams)
    assert figures.png(figure, dpi=40).startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before
    legends = [*figure.legends, *(legend for axes in figure.axes if (legend := axes.get_legend()))]
    return [text.get_text() for legend in legends for text in legend.get_texts()] + [
        text.get_text() for axes in figure.axes for text in axes.texts
    ]


def titles(text: str) -> list[str]:
    """All titles of a drawing, each the first child of what it is of."""
    parents = [it for it in ElementTree.fromstring(text).iter() if it.find("svg:title", NAMES) is not None]
    assert all(it.get("class") == "titled" for it in parents)
    return [it[0].text or "" for it in parents]
