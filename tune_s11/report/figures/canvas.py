"""Style, colours and helpers that all figures share, and the export as PNG."""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from tune_s11.lr_range.curve import Floats
from tune_s11.results import TrialResult

STYLE = Path(__file__).with_name("style.mplstyle")

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
GREY = "#8C8C8C"
WINE = "#882255"
"""Colour of a target's line; no run uses it."""

STATES: dict[str, dict[str, Any]] = {
    "complete": {"color": BLUE, "marker": "o", "ls": "-"},
    "pruned": {"color": ORANGE, "marker": "X", "ls": "-"},
    "running": {"color": GREEN, "marker": ">", "ls": "-."},
    "diverged": {"color": "black", "marker": "v", "ls": ":"},
    "failed": {"color": GREY, "marker": "s", "ls": ":"},
}
"""Look of a trial's line, and of the marker at its end, by state."""

_FEW = 25
"""Maximum number of trials that are drawn at full size and opacity."""

_FLOOR = 0.005
"""Share of errors below which an accuracy axis is no longer stretched."""

_TICKS = (0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.98, 0.99, 1)
_TICKS_BELOW_80 = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8)

in_style = style.context(STYLE)
"""Decorator of functions that make or save a figure: matplotlib reads the style in both cases."""


@contextmanager
def any_script() -> Iterator[None]:
    """Draw names in scripts that matplotlib's font lacks without warnings; the page has them in the browser's font."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


@in_style
@any_script()
def png(figure: Figure, dpi: int = 200) -> bytes:
    """Return the figure as a PNG with ``dpi`` pixels per inch."""
    lay_out(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def lay_out(figure: Figure) -> None:
    """Fix the layout of a finished figure, so that it is the same in every file.

    Otherwise matplotlib would lay out the figure again for each file, and draw it one extra time, which would take half
    of a report's time.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)


def crowded(count: int) -> float:
    """Return the factor for sizes and opacities of ``count`` trials in one picture; legends keep theirs."""
    return min(1.0, math.pow(_FEW / max(count, 1), 0.25))


def trial_title(trial: TrialResult) -> str:
    """Return the title of a trial: its name, its state, its accuracy after its last epoch, and its parameters."""
    head = f"{trial.name}, {trial.state}"
    if trial.state == "diverged":
        head += f" in epoch {trial.epoch}"
    elif trial.score is not None:
        head += f": {100 * trial.score:.2f} % after epoch {trial.epoch}"
    return "\n".join([head, *(f"{name} {short(value)}" for name, value in trial.params.items())])


def short(value: Any) -> str:
    """Return a parameter's value with three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def mark_target(axes: Axes, target: float, *, above: bool = True) -> None:
    """Draw a line at the accuracy to reach, with its name at the left end.

    Args:
        axes: Axes with accuracies on their y axis.
        target: Accuracy to reach, as a fraction.
        above: Whether the name stands above the line.
    """
    axes.axhline(target, color=WINE, ls=(0, (6, 3)), lw=1.0, zorder=1)
    axes.annotate(
        f"target {100 * target:g} %",
        (0, target),
        (4, 3 if above else -3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="bottom" if above else "top",
        fontsize=8,
        color=WINE,
    )


def spread_accuracy(axes: Axes) -> None:
    """Scale accuracies by the logarithm of the error, so that 93 and 94 % are as far apart as 30 and 40 %.

    Call it after everything is plotted, because the ticks depend on the data.
    """

    def forward(accuracy: Floats) -> Floats:
        return -np.log10(1 + _FLOOR - accuracy)

    def inverse(place: Floats) -> Floats:
        return 1 + _FLOOR - 10.0**-place

    axes.set_yscale("function", functions=(forward, inverse))
    axes.autoscale_view(scalex=False)  # limits found on the linear scale may lie above 1, where this one ends
    low, high = axes.get_ylim()
    ticks = _TICKS if axes.dataLim.ymax > 0.8 else _TICKS_BELOW_80
    few = sum(low <= tick <= high for tick in ticks) < 3
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]) if few else FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda accuracy, _: f"{100 * accuracy:.4g} %"))
