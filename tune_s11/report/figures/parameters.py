"""Draws the searched parameters: all of a trial's at once, each alone, and how much each mattered."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from tune_s11.report.figures.canvas import (
    BLUE,
    GREY,
    ORANGE,
    STATES,
    VERMILION,
    crowded,
    in_style,
    short,
    spread_accuracy,
    trial_title,
)
from tune_s11.report.figures.svg import set_point_titles, set_title
from tune_s11.results import TrialResult

ACROSS = 3
"""Number of slices in a row."""

_TICKS = 5
"""Approximate number of ticks on a parameter axis."""


class _Scale:
    """The positions of a parameter's values on an axis from 0 to 1, and its ticks."""

    def __init__(self, domain: BaseDistribution) -> None:
        self.choices: list[Any] = []
        self.log = False
        if isinstance(domain, CategoricalDistribution):
            self.choices = sorted(domain.choices)
            return
        assert isinstance(domain, FloatDistribution)
        self.low, self.high, self.log = domain.low, domain.high, domain.log

    def place(self, value: Any) -> float:
        """Return the position of a value in [0, 1]; the middle if there is only one value."""
        if self.choices:
            return self.choices.index(value) / (len(self.choices) - 1) if len(self.choices) > 1 else 0.5
        if self.low == self.high:
            return 0.5
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return float((value - self.low) / (self.high - self.low))

    def around(self) -> tuple[float, float]:
        """Return axis limits that do not cut markers on the bounds."""
        if self.log:
            pad = (self.high / self.low) ** 0.04
            return self.low / pad, self.high * pad
        pad = 0.04 * (self.high - self.low)
        return self.low - pad, self.high + pad

    def ticks(self) -> list[Any]:
        """Return the values to label, including the ends."""
        if self.choices:
            return self.choices
        if self.low == self.high:
            return [self.low]
        # Both bounds are labelled, and round numbers between them that are not too close to either.
        locator = LogLocator(numticks=_TICKS) if self.log else MaxNLocator(_TICKS - 1)
        inner = [tick for tick in locator.tick_values(self.low, self.high) if self.low < tick < self.high]
        return [self.low, *(tick for tick in inner if 0.08 < self.place(tick) < 0.92), self.high]


@in_style
def draw_parallel(trials: Sequence[TrialResult], domains: Mapping[str, BaseDistribution], winner: str | None) -> Figure:
    """Draw parallel coordinates: a line for each trial through its parameters, and to its score if it is complete.

    Args:
        trials: Trials in any state.
        domains: Searched parameters, at least one, in the order of the axes; log domains get log axes.
        winner: Name of the trial to draw bold.
    """
    scales = {name: _Scale(domain) for name, domain in domains.items()}
    complete = sorted((trial for trial in trials if trial.state == "complete"), key=lambda trial: trial.score or 0.0)
    scores = [trial.score or 0.0 for trial in complete]
    lowest, highest = (scores[0], scores[-1]) if scores else (0.0, 0.0)
    figure = Figure(figsize=(max(8.5, 1.5 * len(scales) + 1.5), 4.6), layout="constrained")
    axes = figure.add_subplot()
    shades = matplotlib.colormaps["Blues"](np.linspace(0.4, 1.0, len(complete)))
    unfinished = [trial for trial in trials if trial.state not in {"complete", "failed"}]
    for trial in unfinished:
        line = [scales[name].place(trial.params[name]) for name in scales]
        faint = {key: STATES[trial.state][key] for key in ("color", "ls")}
        (drawn,) = axes.plot(line, lw=0.8, alpha=0.55 * crowded(len(unfinished)), zorder=1, **faint)
        set_title(drawn, trial_title(trial))
    width = 1.6 * crowded(len(complete))
    for trial, score, shade in zip(complete, scores, shades, strict=True):
        line = [scales[name].place(trial.params[name]) for name in scales]
        line.append((score - lowest) / (highest - lowest) if highest > lowest else 0.5)
        best = trial.name == winner
        look: dict[str, Any] = (
            {"color": VERMILION, "lw": 3, "marker": "*", "ms": 11} if best else {"color": shade, "lw": width}
        )
        (drawn,) = axes.plot(line, zorder=3 if best else 2, **look)
        set_title(drawn, trial_title(trial))
    marks = {name: [(scale.place(tick), short(tick)) for tick in scale.ticks()] for name, scale in scales.items()}
    names = [f"{name}\n(log)" if scale.log else name for name, scale in scales.items()]
    if complete:
        ends = sorted({lowest, highest})
        marks[""] = [
            (k / (len(ends) - 1) if len(ends) > 1 else 0.5, f"{100 * end:.1f} %") for k, end in enumerate(ends)
        ]
        names.append("final\nvalidation accuracy")
    for k, ticks in enumerate(marks.values()):
        axes.axvline(k, color="#555555", lw=1, zorder=0)
        for place, text in ticks:
            axes.plot([k - 0.02, k + 0.02], [place, place], color="#555555", lw=1, zorder=0)
            axes.text(
                k + 0.05,
                place,
                text,
                va="center",
                fontsize=8,
                zorder=4,
                bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
            )
    axes.set_xticks(range(len(names)), names, parse_math=False)
    axes.set_yticks([])
    axes.set_xlim(-0.1, len(names) - 0.6)
    axes.set_ylim(-0.06, 1.06)
    axes.tick_params(axis="x", length=0, pad=8)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.grid(visible=False)
    figure.legend(handles=_legend(trials, winner), loc="outside upper left", ncols=5)
    return figure


def _legend(trials: Sequence[TrialResult], winner: str | None) -> list[Line2D]:
    handles = [Line2D([], [], color=VERMILION, lw=3, marker="*", ms=11, label=f"winner {winner}")] if winner else []
    if any(trial.state == "complete" and trial.name != winner for trial in trials):
        handles.append(Line2D([], [], color=BLUE, label="complete (darker: better)"))
    for state in ("pruned", "running", "diverged"):
        if any(trial.state == state for trial in trials):
            look = {key: STATES[state][key] for key in ("color", "ls")}
            handles.append(Line2D([], [], lw=0.8, alpha=0.55, label=state, **look))
    return handles


@in_style
def draw_slices(trials: Sequence[TrialResult], domains: Mapping[str, BaseDistribution], winner: str | None) -> Figure:
    """Draw validation accuracy (weights that are shipped) after a trial's last epoch over each parameter alone.

    Args:
        trials: Trials, at least one of them with a row.
        domains: Searched parameters, at least one; log domains get log axes.
        winner: Name of the trial to star.
    """
    down = -(-len(domains) // ACROSS)
    across = min(len(domains), ACROSS)
    figure = Figure(figsize=(8.5 if across > 1 else 5.0, 0.7 + 2.6 * down), layout="constrained")
    grid = figure.subplots(down, across, sharey=True, squeeze=False)
    labels: dict[str, Line2D] = {}
    for axes, (name, domain) in zip(grid.flat, domains.items(), strict=False):
        scale = _Scale(domain)
        for state in ("pruned", "running", "complete"):
            group = [trial for trial in trials if trial.state == state and trial.name != winner and trial.rows]
            look = {key: STATES[state][key] for key in ("color", "marker")}
            _scatter(axes, labels, f"{state} ({len(group)})", scale, name, group, ms=6, alpha=0.85, **look)
        best = [trial for trial in trials if trial.name == winner]
        _scatter(axes, labels, f"winner {winner}", scale, name, best, ms=13, marker="*", color=VERMILION, zorder=3)
        broken = [trial for trial in trials if trial.state == "diverged"]
        look = {"marker": STATES["diverged"]["marker"], "color": STATES["diverged"]["color"]}
        # Their accuracy counts as 0; drawn there, they would squeeze all others together.
        places = axes.get_xaxis_transform()
        _scatter(
            axes, labels, f"diverged ({len(broken)}), no score", scale, name, broken, ms=6, transform=places, **look
        )
        _label(axes, scale, name)
    for axes in list(grid.flat)[len(domains) :]:
        axes.set_visible(False)
    spread_accuracy(grid.flat[0])
    for row in grid:
        row[0].set_ylabel("validation accuracy\n(log error scale)")
    figure.legend(handles=list(labels.values()), loc="outside upper left", ncols=len(labels))
    return figure


def _scatter(
    axes: Axes,
    labels: dict[str, Line2D],
    label: str,
    scale: _Scale,
    name: str,
    trials: Sequence[TrialResult],
    **look: Any,
) -> None:
    """Plot a group of trials over one parameter; with a transform in ``look``, along the lower edge."""
    if not trials:
        return
    values = [trial.params[name] for trial in trials]
    places = [scale.choices.index(value) for value in values] if scale.choices else values
    heights = [0.03 if "transform" in look else trial.score or 0.0 for trial in trials]
    fade = crowded(len(trials))
    (line,) = axes.plot(
        places, heights, ls="none", **look | {"ms": fade * look["ms"], "alpha": fade * look.get("alpha", 1)}
    )
    set_point_titles(line, [trial_title(trial) for trial in trials])
    look.pop("transform", None)
    labels[label] = Line2D([], [], ls="none", label=label, **look)


def _label(axes: Axes, scale: _Scale, name: str) -> None:
    axes.set_xlabel(f"{name} (log scale)" if scale.log else name, parse_math=False)
    if scale.choices:
        axes.set_xticks(range(len(scale.choices)), [str(choice) for choice in scale.choices])
        axes.set_xlim(-0.5, len(scale.choices) - 0.5)
        return
    if scale.log:
        axes.set_xscale("log")
        if scale.high < 100 * scale.low:
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    if scale.low < scale.high:
        axes.set_xlim(*scale.around())


@in_style
def draw_importances(found: Mapping[str, Any]) -> Figure:
    """Draw the importance of each parameter, with the spread over the evaluators' seeds.

    Args:
        found: Result of :func:`tune_s11.report.importance.importances`.
    """
    looks: list[dict[str, Any]] = [{"color": BLUE, "marker": "o"}, {"color": ORANGE, "marker": "^"}]
    parameters = list(next(iter(found["evaluators"].values())))
    figure = Figure(figsize=(8.5, 1.3 + 0.42 * len(parameters)), layout="constrained")
    axes = figure.add_subplot(xlabel=f"importance (share; n = {found['n']} complete trials)")
    for k, ((name, shares), look) in enumerate(zip(found["evaluators"].items(), looks, strict=True)):
        mean = np.array([shares[parameter]["mean"] for parameter in parameters])
        ends = np.array([[shares[parameter][end] for parameter in parameters] for end in ("low", "high")])
        places = np.arange(len(parameters)) + 0.24 * (k - 0.5)
        axes.hlines(places, 0, mean, color=GREY, lw=0.8)
        bars = axes.errorbar(mean, places, xerr=np.abs(ends - mean), ls="none", ms=7, capsize=3, label=name, **look)
        titles = [
            f"{parameter}, {name}: {100 * share:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)"
            for parameter, share, low, high in zip(parameters, mean, *ends, strict=True)
        ]
        set_point_titles(bars.lines[0], titles)
    axes.set_yticks(range(len(parameters)), parameters, parse_math=False)
    axes.set_ylim(len(parameters) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(visible=False, axis="y")
    axes.legend(loc="lower right")
    return figure
