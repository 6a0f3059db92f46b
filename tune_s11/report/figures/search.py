"""Draws the course of a search: how its best score rose, and what its workers did."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from tune_s11.report.figures.canvas import BLUE, SKY, STATES, VERMILION, in_style, spread_accuracy, trial_title
from tune_s11.report.figures.svg import set_point_titles, set_title
from tune_s11.report.timeline import Timeline
from tune_s11.results import TrialResult
from tune_s11.text import format_seconds

_HATCHES = {"complete": "", "pruned": "///", "running": "...", "diverged": "xxx", "failed": "\\\\\\"}
"""Hatches that distinguish the states' bars when printed in greyscale."""

_UNITS = (("h", 3600.0, 2), ("min", 60.0, 2), ("s", 1.0, 0))
"""Units of a time axis: name, seconds, and the minimum number of them that the axis must span."""


@in_style
def draw_best_so_far(points: Sequence[dict[str, Any]], winner: TrialResult | None) -> Figure:
    """Draw the best validation accuracy (weights that are shipped) over the epochs spent.

    Args:
        points: Result of :func:`tune_s11.report.timeline.best_so_far`.
        winner: Winner, to mark where it ended. With finalists it need not have the best score.
    """
    figure = Figure(figsize=(8.5, 3.8), layout="constrained")
    axes = figure.add_subplot(
        xlabel="epochs spent, all trials together", ylabel="validation accuracy (log error scale)"
    )
    spent = [point["spent"] for point in points]
    axes.step(spent, [point["any"] for point in points], where="post", color=SKY, ls="--", label="best of any epoch")
    ended = [(point["spent"], point["complete"]) for point in points if point["complete"] is not None]
    if ended:
        axes.step(*zip(*ended, strict=True), where="post", color=BLUE, lw=2.4, label="best complete trial")
        _name_rises(axes, points)
    if winner is not None:
        name, score = winner.name, winner.score or 0.0
        end = max(point["spent"] for point in points if point["trial"] == name)
        (star,) = axes.plot(end, score, "*", color=VERMILION, ms=13, ls="none", label=f"winner {name}", zorder=3)
        set_title(star, f"{name}, the winner: {100 * score:.2f} %")
    spread_accuracy(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0, 1.01 * spent[-1])
    axes.legend(loc="lower right")
    return figure


def _name_rises(axes: Axes, points: Sequence[dict[str, Any]]) -> None:
    """Mark where a complete trial was better than all before it."""
    before = [None, *(point["complete"] for point in points)]
    rises = [point for point, best in zip(points, before, strict=False) if point["complete"] != best]
    spent, best = [point["spent"] for point in rises], [point["complete"] for point in rises]
    (line,) = axes.plot(spent, best, "o", color=BLUE, ms=5, ls="none")
    titles = [f"{it['trial']}: {100 * it['complete']:.2f} %, after {it['spent']:,} epochs of all" for it in rises]
    set_point_titles(line, titles)


@in_style
def draw_timeline(timeline: Timeline, winner: str | None) -> Figure:
    """Draw what each worker did over time: bars for each trial, coloured and hatched by its state.

    Args:
        timeline: Timeline with at least one bar.
        winner: Name of the trial whose bars are framed.
    """
    lanes, length = max(timeline.lanes), sum(timeline.lengths)
    unit, seconds, _ = next(unit for unit in _UNITS if length >= unit[1] * unit[2])
    figure = Figure(figsize=(8.5, 1.5 + 0.42 * min(lanes, 16)), layout="constrained")
    axes = figure.add_subplot(xlabel=f"wall time ({unit})", ylabel="worker")
    for bar in timeline.bars:
        best = bar.trial.name == winner
        title = f"{trial_title(bar.trial)}\n{format_seconds(bar.end - bar.begin)} on worker {bar.lane}"
        (drawn,) = axes.barh(
            bar.lane,
            (bar.end - bar.begin) / seconds,
            left=bar.begin / seconds,
            height=0.8,
            color=STATES[bar.trial.state]["color"],
            hatch=_HATCHES[bar.trial.state],
            edgecolor=VERMILION if best else "white",
            linewidth=2.4 if best else 0.8,
            zorder=3 if best else 2,
        )
        set_title(drawn, title)
        if lanes <= 16 and bar.end - bar.begin > 0.03 * length:
            number = axes.text(
                (bar.begin + bar.end) / 2 / seconds,
                bar.lane,
                str(bar.trial.number),
                ha="center",
                va="center",
                fontsize=8,
                zorder=4,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2},
            )
            set_title(number, title)
    place = 0.0
    for length_of_session in timeline.lengths[:-1]:
        place += length_of_session
        axes.axvline(place / seconds, color="black", ls="--", lw=1.2, zorder=5)
    states = {bar.trial.state for bar in timeline.bars}
    handles = [
        Patch(facecolor=look["color"], hatch=_HATCHES[state], edgecolor="white", label=state)
        for state, look in STATES.items()
        if state in states
    ]
    if any(bar.trial.name == winner for bar in timeline.bars):
        handles.append(Patch(facecolor="white", edgecolor=VERMILION, linewidth=2.4, label=f"winner {winner}"))
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
    axes.yaxis.set_major_locator(MaxNLocator(16, integer=True, min_n_ticks=1))  # one lane has one tick
    axes.set_ylim(lanes - 0.45, -0.55)
    axes.set_xlim(0, length / seconds)
    axes.grid(visible=False, axis="y")
    return figure
