"""Draws learning rates: the range test, and a schedule as it was applied."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tune_s11.lr_range.curve import Floats, LRCurve
from tune_s11.report.figures.canvas import BLUE, GREY, ORANGE, VERMILION, in_style
from tune_s11.report.figures.svg import set_point_titles, set_title
from tune_s11.results.lr_range import RangeTest

_MARKERS = "osD^vP*"


@in_style
def draw_range_test(measured: RangeTest, winner: float | None = None) -> Figure:
    """Draw the range test: a panel for its short cycles and one below it for its ramps, if it has both.

    The cycles' panel shows validation accuracies over the peak learning rate, with one line for each length of cycle
    and crosses where cycles diverged. The ramps' panel shows losses: raw ones as dots, each seed's smoothed ramp faint,
    and their median bold, with the suggestions on it. Bounds are shaded in both.

    Args:
        measured: Range test to draw.
        winner: The winner's ``max_lr``, at the momentum of the bounds if they have one; None: there is no winner.
    """
    bounds = measured.bounds
    rows = bool(measured.cycles) + (measured.curve is not None)
    figure = Figure(figsize=(8.5, 6.6 if rows == 2 else 4.6), layout="constrained")
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    for axes in panels:
        axes.set_xscale("log")
        width = f"max_lr bounds {bounds.low:.3g} to {bounds.high:.3g}"
        axes.axvspan(bounds.low, bounds.high, color=BLUE, alpha=0.1, lw=0, label=width)
        _mark(axes, "max_lr to try first", bounds.suggestion, color=BLUE, ls="-.", lw=1.5)
        if winner is not None:
            at = "" if bounds.momentum is None else f" at momentum {bounds.momentum:g}:"
            _mark(axes, f"the winner's max_lr{at}", winner, color=VERMILION, ls="--", lw=1.8)
    if measured.cycles:
        _draw_cycles(panels[0], measured)
    if measured.curve is not None:
        _draw_ramps(panels[-1], measured, measured.curve)
    panels[-1].set_xlabel("learning rate (log scale)")
    for axes in panels:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _mark(axes: Axes, name: str, lr: float, **look: Any) -> None:
    set_title(axes.axvline(lr, label=f"{name} {lr:.3g}", **look), f"{name} {lr:.4g}")


def _draw_cycles(axes: Axes, measured: RangeTest) -> None:
    by_length: dict[int, list[tuple[float, float]]] = {}
    for cycle, outcome in sorted(measured.cycles.items()):
        if outcome.accuracy is not None:
            by_length.setdefault(cycle.epochs, []).append((cycle.max_lr, outcome.accuracy))
    shades = np.linspace(0.35, 1.0, len(by_length))
    for (epochs, points), shade, marker in zip(by_length.items(), shades, _MARKERS, strict=False):
        length = f"{epochs} epoch{'' if epochs == 1 else 's'}"
        rates, accuracies = np.array(points).T
        (line,) = axes.plot(
            rates, accuracies, marker + "-", color=BLUE, alpha=shade, lw=1.5, ms=5, label=f"cycles of {length}"
        )
        set_point_titles(line, [f"{length} at {rate:.4g}: accuracy {accuracy:.4f}" for rate, accuracy in points])
    diverged = sorted({cycle.max_lr for cycle, outcome in measured.cycles.items() if outcome.diverged})
    if diverged:
        axes.plot(diverged, np.zeros(len(diverged)), "x", color=VERMILION, ms=7, mew=2, ls="none", label="diverged")
    axes.set_ylabel("validation accuracy")
    axes.set_ylim(bottom=-0.03)


def _draw_ramps(axes: Axes, measured: RangeTest, curve: LRCurve) -> None:
    for k, (raw, ramp) in enumerate(zip(curve.losses, curve.smoothed, strict=True)):
        known, kept = np.isfinite(raw), np.isfinite(ramp)
        axes.plot(curve.lrs[known], raw[known], ".", color=GREY, ms=3, alpha=0.5, label=_once("raw loss", k))
        axes.plot(curve.lrs[kept], ramp[kept], color=GREY, lw=0.8, alpha=0.8, label=_once("each seed's, smoothed", k))
    axes.set_ylabel("training loss (nats)")
    loss, finite = curve.loss, np.isfinite(curve.loss)
    if not finite.any():
        return
    axes.plot(curve.lrs[finite], loss[finite], color=BLUE, lw=2.6, label="their median")
    suggestions = sorted(measured.suggestions.items(), key=lambda item: item[1])
    for marker, (name, lr) in zip(_MARKERS, suggestions, strict=False):
        height = np.interp(np.log(lr), np.log(curve.lrs[finite]), loss[finite])
        label = f"{name} {lr:.3g}"
        (mark,) = axes.plot(lr, height, marker, color="white", mec="black", mew=1.4, ms=8, ls="none", label=label)
        set_title(mark, f"suggestion {label}")
    _mark(axes, "min_lr to try first", measured.bounds.min_lr, color=ORANGE, ls=":", lw=1.8)
    # The last steps before a ramp ends lie far above the range that matters.
    lowest, highest = float(curve.losses.min()), float(loss[: np.argmin(loss) + 1].max())
    margin = 0.1 * (highest - lowest)
    axes.set_ylim(max(0.0, lowest - margin), highest + margin)


def _once(label: str, k: int) -> str:
    """Return a label for the first of many similar lines; the others stay out of the legend."""
    return "_" if k else label


@in_style
def draw_schedule(epochs: Floats, lrs: Floats, reported: Floats | None = None, title: str = "") -> Figure:
    """Draw the learning rate over the epochs.

    Args:
        epochs: Points in time, in epochs since the start of the run, (points,).
        lrs: Learning rate at each, (points,).
        reported: Epochs completed and the learning rate that the trainer reported for each, (epochs, 2).
        title: Title, for a figure that is shown without context.
    """
    figure = Figure(figsize=(8.5, 3.4), layout="constrained")
    axes = figure.add_subplot(xlabel="epoch", ylabel="learning rate", title=title)
    axes.plot(epochs, lrs, color=BLUE, lw=2, label="schedule")
    if reported is not None:
        (line,) = axes.plot(
            *reported.T,
            "o",
            color=VERMILION,
            ms=4.5,
            ls="none",
            clip_on=False,
            label="as trained, at the last step of each epoch",
        )
        set_point_titles(line, [f"epoch {epoch:g}: {lr:.4g}" for epoch, lr in reported])
        axes.legend(loc="upper right")
    highest, lowest = int(np.argmax(lrs)), int(np.argmin(lrs))
    for name, k, offset in (("highest", highest, (6, 5)), ("lowest", lowest, (4, 6) if lowest else (20, 3))):
        if lrs[k] != lrs[highest] or name == "highest":  # a plateau schedule may never have lowered the rate
            axes.annotate(f"{name} {lrs[k]:.4g}", (epochs[k], lrs[k]), offset, textcoords="offset points")
    axes.set_xlim(epochs[0], epochs[-1])
    axes.set_ylim(0, 1.12 * float(lrs[highest]))
    return figure
