"""Draws training: the learning curves of a run, and the score of every trial."""

import itertools
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from tune_s11.lr_range.curve import Floats
from tune_s11.report.figures.canvas import (
    BLUE,
    GREY,
    ORANGE,
    STATES,
    VERMILION,
    crowded,
    in_style,
    mark_target,
    spread_accuracy,
    trial_title,
)
from tune_s11.report.figures.svg import set_point_titles, set_title
from tune_s11.report.tables import HeldOut
from tune_s11.report.train_test_curve import TrainTestEpoch
from tune_s11.results import TrialResult
from tune_s11.training.metrics import EpochMetrics

_LOOKS: dict[str, dict[str, Any]] = {
    "train": {"color": GREY, "ls": ":", "marker": "s"},
    "val": {"color": ORANGE, "ls": "--", "marker": "^"},
    "ema_val": {"color": BLUE, "ls": "-", "marker": "o"},
}
"""Styles of a run's lines, by their images and weights."""


@in_style
def draw_learning_curves(
    rows: Sequence[EpochMetrics] | Sequence[TrainTestEpoch],
    epochs: Floats,
    lrs: Floats,
    held_out: HeldOut = "validation",
    target: float | None = None,
) -> Figure:
    """Draw accuracy, loss and learning rate of one run over the same epochs.

    Args:
        rows: Metrics, one row per epoch.
        epochs: Points in time, in epochs since the start of the run, (points,).
        lrs: Learning rate at each, (points,).
        held_out: Images that the run is not trained on.
        target: Accuracy at which to draw a line; None: no line.
    """
    figure = Figure(figsize=(8.5, 8.0), layout="constrained")
    accuracy, loss, lr = figure.subplots(3, 1, sharex=True, height_ratios=[3, 2, 1.2])
    if target is not None:
        mark_target(accuracy, target)
    for kind, look in _looks(held_out).items():
        _plot(accuracy, rows, f"{kind}_accuracy", look)
        _plot(loss, rows, f"{kind}_loss", look)
    lr.plot(epochs, lrs, color="black", lw=1.6)
    spread_accuracy(accuracy)
    accuracy.set_ylabel("accuracy (log error scale)")
    accuracy.legend(loc="lower right")
    loss.set_ylabel("cross-entropy (nats, log scale)")
    loss.set_yscale("log")
    loss.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    loss.yaxis.set_major_formatter("{x:g}")
    loss.yaxis.set_minor_formatter(NullFormatter())
    lr.set_ylabel("learning rate")
    lr.set_ylim(bottom=0)
    lr.set_xlabel("epoch")
    lr.set_xlim(left=0, right=1.01 * float(epochs[-1]))
    lr.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.align_ylabels()
    return figure


def _looks(held_out: HeldOut) -> dict[str, dict[str, Any]]:
    """Return the styles of a run's three lines, by the prefix of their metrics' names."""
    prefix = {"validation": "val", "test": "test"}[held_out]
    return {
        "train": _LOOKS["train"] | {"ms": 4, "label": "training (augmented, mean over the epoch)"},
        prefix: _LOOKS["val"] | {"ms": 4, "label": f"{held_out}, raw weights"},
        f"ema_{prefix}": _LOOKS["ema_val"] | {"ms": 4, "label": f"{held_out}, EMA weights"},
    }


def _plot(axes: Axes, rows: Sequence[EpochMetrics | TrainTestEpoch], key: str, look: dict[str, Any]) -> None:
    points = [(row.epoch, getattr(row, key)) for row in rows if getattr(row, key) is not None]
    if points:
        (line,) = axes.plot(*zip(*points, strict=True), **look)
        percent = key.endswith("accuracy")
        told = (f"{100 * value:.2f} %" if percent else f"{value:.4g} nats" for _, value in points)
        set_point_titles(
            line, [f"epoch {epoch}\n{look['label']}: {value}" for (epoch, _), value in zip(points, told, strict=True)]
        )


@in_style
def draw_changes(rows: Sequence[EpochMetrics] | Sequence[TrainTestEpoch], held_out: HeldOut = "validation") -> Figure:
    """Draw how much accuracy and loss changed from each epoch to the next.

    Args:
        rows: Metrics of at least two epochs.
        held_out: Images that the run is not trained on.
    """
    figure = Figure(figsize=(8.5, 5.4), layout="constrained")
    accuracy, loss = figure.subplots(2, 1, sharex=True)
    for kind, look in _looks(held_out).items():
        for axes, key, unit, named in (
            (accuracy, f"{kind}_accuracy", 100, "percentage points"),
            (loss, f"{kind}_loss", 1, "nats"),
        ):
            known = [(row.epoch, getattr(row, key)) for row in rows]
            steps = [
                (epoch, unit * (after - before))
                for (_, before), (epoch, after) in itertools.pairwise(known)
                if before is not None and after is not None
            ]
            if steps:
                (line,) = axes.plot(*zip(*steps, strict=True), **look)
                set_point_titles(
                    line, [f"epoch {epoch}\n{look['label']}: {change:+.3g} {named}" for epoch, change in steps]
                )
    accuracy.set_ylabel("change of accuracy\n(percentage points)")
    # In the first epochs, the loss changes a thousand times as much as in the last.
    loss.set_yscale("symlog", linthresh=0.1)
    loss.yaxis.set_major_formatter("{x:g}")
    loss.set_ylabel("change of cross-entropy\n(nats, log beyond ±0.1)")
    loss.set_xlabel("epoch")
    loss.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (accuracy, loss):
        axes.axhline(0, color="black", lw=0.8)
    figure.legend(*accuracy.get_legend_handles_labels(), loc="outside upper left", ncols=3)
    figure.align_ylabels()
    return figure


@in_style
def draw_trials(trials: Sequence[TrialResult], winner: str | None, rungs: Sequence[int], epochs: int) -> Figure:
    """Draw each trial's validation accuracy (weights that are shipped) by epoch, marked where it ended.

    Args:
        trials: Trials, at least one of them with a row.
        winner: Name of the trial to draw bold.
        rungs: Epochs at which trials may be pruned.
        epochs: Length of a complete trial.
    """
    figure = Figure(figsize=(8.5, 5.0), layout="constrained")
    weights = trials[0].recipe.weights
    axes = figure.add_subplot(xlabel="epoch", ylabel=f"validation accuracy, {weights} (log error scale)")
    handles: list[Line2D] = []

    def draw(group: Sequence[TrialResult], label: str, **look: Any) -> None:
        fade = crowded(len(group))
        fainter = {"lw": fade * look["lw"], "ms": fade * look["ms"], "alpha": fade * look.get("alpha", 1)}
        for trial in group:
            # A diverged epoch counts as accuracy 0; drawn, it would be a drop that hides the others.
            points = [(row.epoch, row.score) for row in trial.rows if not row.diverged]
            if points:
                (line,) = axes.plot(*zip(*points, strict=True), markevery=[-1], **look | fainter)
                set_title(line, trial_title(trial))
        if group:
            handles.append(Line2D([], [], label=label, **look))

    best = [trial for trial in trials if trial.name == winner]
    draw(best, f"winner {winner}", color=VERMILION, lw=2.8, marker="*", ms=12, zorder=3)
    for state, look in STATES.items():
        group = [trial for trial in trials if trial.state == state and trial.name != winner]
        place = 1.9 if state == "pruned" else 2  # below the others, which are fewer
        draw(group, f"{state} ({len(group)})", lw=0.9, ms=5, alpha=0.8, zorder=place, **look)
    for rung in rungs:
        rule = axes.axvline(rung, color="#555555", lw=0.9, ls="--", zorder=1, label="rung: low scores are pruned")
    axes.legend(handles=[*handles, rule] if rungs else handles, loc="lower right")
    spread_accuracy(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(left=0, right=epochs * 1.02)
    return figure
