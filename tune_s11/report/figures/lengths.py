"""Draws accuracy against cost: the best recipe for each number of epochs."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tune_s11.report.figures.canvas import BLUE, in_style, mark_target, spread_accuracy
from tune_s11.report.figures.svg import set_point_titles


@in_style
def draw_lengths(rows: Sequence[dict[str, Any]], target: float | None) -> Figure:
    """Draw validation accuracy over the length of training in epochs.

    Args:
        rows: Result of :func:`tune_s11.report.sections.lengths.best_of_each`.
        target: Accuracy to reach; None: there is none.
    """
    figure = Figure(figsize=(8.5, 3.8), layout="constrained")
    axes = figure.add_subplot(xlabel="length of training (epochs)", ylabel="validation accuracy (log error scale)")
    axes.plot([row["epochs"] for row in rows], [row["accuracy"]["mean"] for row in rows], color=BLUE, lw=1, alpha=0.5)
    for several, filled, name in ((True, BLUE, "mean over seeds"), (False, "white", "a single run")):
        here = [row for row in rows if (row["accuracy"]["n"] > 1) == several]
        if not here:
            continue
        epochs, means = [row["epochs"] for row in here], [row["accuracy"]["mean"] for row in here]
        (points,) = axes.plot(epochs, means, "o", color=BLUE, mfc=filled, ms=7, ls="none", label=name, zorder=3)
        set_point_titles(
            points, [f"{row['epochs']} epochs: {100 * row['accuracy']['mean']:.2f} %, {row['by']}" for row in here]
        )
    limited = [row for row in rows if row["low"] is not None]
    if limited:
        epochs, means = [row["epochs"] for row in limited], [row["accuracy"]["mean"] for row in limited]
        below = [row["accuracy"]["mean"] - row["low"] for row in limited]
        axes.errorbar(
            epochs, means, yerr=[below, [0.0] * len(below)], fmt="none", ecolor=BLUE, capsize=4, label="lower limit"
        )
    if target is not None:
        mark_target(axes, target)
    spread_accuracy(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(left=0)
    axes.legend(loc="lower right")
    return figure
