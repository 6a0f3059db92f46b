"""Draws several runs in one figure."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from tune_s11.report.compare import Compared
from tune_s11.report.figures.canvas import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    in_style,
    mark_target,
    spread_accuracy,
)
from tune_s11.report.figures.svg import set_title
from tune_s11.report.tables import schedule_points

_LOOKS: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "ls": "-"},
    {"color": VERMILION, "ls": "--"},
    {"color": GREEN, "ls": "-."},
    {"color": "black", "ls": ":"},
    {"color": ORANGE, "ls": (0, (6, 1, 1, 1, 1, 1))},
    {"color": PURPLE, "ls": (0, (3, 1))},
    {"color": SKY, "ls": (0, (8, 2))},
    {"color": GREY, "ls": (0, (1, 0.8))},
)


@in_style
def draw_comparison(compared: Sequence[Compared], level: float | None, target: float | None = None) -> Figure:
    """Draw held-out accuracy (weights that are shipped) and learning rate of each run by epoch.

    Args:
        compared: Runs to draw, at most eight.
        level: Accuracy at which to draw a line; see :func:`tune_s11.report.compare.common_level`.
        target: Accuracy at which to draw another line; None: no line.
    """
    images = {run.images for run in compared}
    figure = Figure(figsize=(8.5, 6.4 + 0.2 * ((len(compared) + 1) // 2)), layout="constrained")
    accuracy, lr = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
    if target is not None:
        mark_target(accuracy, target, above=level is None or target > level)
    if level is not None:
        accuracy.axhline(level, color="#555555", lw=0.8, zorder=1)
        accuracy.annotate(
            f"the worst of them ends with {100 * level:.1f} %",
            (0, level),
            (4, 3),
            textcoords="offset points",
            fontsize=8,
            color="#333333",
        )
    lines: list[Line2D] = []
    labels: list[str] = []
    for run, look in zip(compared, _LOOKS, strict=False):
        # A diverged epoch counts as accuracy 0; drawn, it would be a drop that hides the others.
        points = [(row.epoch, row.score) for row in run.rows if not row.diverged]
        label = f"{run.name}: {run.recipe.schedule}, max_lr {run.recipe.max_lr:.3g}"
        label += f", {run.images}" if len(images) > 1 else ""
        (line,) = accuracy.plot(
            *zip(*points, strict=True) if points else ([], []), markevery=[-1], marker="o", ms=4, **look
        )
        lines.append(line)
        labels.append(label)
        set_title(line, label + "".join(f"\n{100 * score:.2f} % after epoch {epoch}" for epoch, score in points[-1:]))
        epochs, lrs = schedule_points(run.recipe, run.rows)
        (line,) = lr.plot(epochs, lrs, **look)
        set_title(line, label)
    spread_accuracy(accuracy)
    weights = " or ".join(sorted({run.recipe.weights for run in compared}))
    accuracy.set_ylabel(f"{' or '.join(sorted(images))} accuracy, {weights}\n(log error scale)")
    lr.set(xlabel="epoch", ylabel="learning rate")
    lr.set_ylim(bottom=0)
    lr.set_xlim(left=0)
    lr.xaxis.set_major_locator(MaxNLocator(integer=True))
    # Given explicitly, a name that starts with "_" is not left out.
    legend = figure.legend(lines, labels, loc="outside upper left", ncols=2, handlelength=4)
    for text in legend.get_texts():
        text.set_parse_math(False)
    figure.align_ylabels()
    return figure
