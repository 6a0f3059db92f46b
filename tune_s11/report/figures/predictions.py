"""Draws predictions on the test images: heat maps, the confusion matrix and the reliability diagram."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from tune_s11.report.figures.canvas import BLUE, GREY, SKY, VERMILION, in_style
from tune_s11.report.figures.svg import set_title
from tune_s11.report.predictions import Calibration

ACROSS = 5
"""Number of images in a row of a heat map sheet, each with its maps."""

COUNTED = 20
"""Maximum number of classes for which the confusion matrix shows counts."""

_LEAST_POINTS = 6.0
"""Smallest legible height of a line of text, in points."""


@in_style
def draw_heat_maps(
    pixels: npt.NDArray[np.uint8],
    maps: Sequence[npt.NDArray[np.float32]],
    captions: Sequence[tuple[str, str]],
    note: str,
) -> Figure:
    """Draw a sheet of images, each with its heat maps to the right of it.

    Args:
        pixels: Images, (N, H, W, 3).
        maps: Heat maps next to the images: for each column of them, those of all images, (N, H, W), in [0, 1].
        captions: Two lines above each image, (N,).
        note: Explanation of the maps, below all images.
    """
    # Placed manually, in inches: a layout engine takes seconds for so many axes.
    panels = 1 + len(maps)
    side, gap, head = 2.1 / panels, 0.03, 0.36
    across, down = panels * side + 0.12, side + head + 0.1
    width, height = ACROSS * across, -(-len(captions) // ACROSS) * down + 0.2
    figure = Figure(figsize=(width, height))
    for n, caption in enumerate(captions):
        left, top = 0.06 + across * (n % ACROSS), height - head - down * (n // ACROSS)
        figure.text(left / width, (top + 0.06) / height, "\n".join(caption), fontsize=9, parse_math=False)
        for k, heat in enumerate((None, *(of_class[n] for of_class in maps))):
            box = ((left + k * side) / width, (top - side) / height, (side - gap) / width, (side - gap) / height)
            _overlay(figure.add_axes(box), pixels[n], heat)
    figure.text(0.06 / width, 0.08 / height, note, fontsize=9, color="#333333")
    return figure


def _overlay(axes: Axes, pixels: npt.NDArray[np.uint8], heat: npt.NDArray[np.float32] | None) -> None:
    axes.set_axis_off()
    if heat is None:
        axes.imshow(pixels)
        return
    # Only the heat is coloured, in a colour map of increasing brightness, over a grey image at half contrast: it stands
    # out even when printed in greyscale.
    axes.imshow(pixels.mean(axis=2), cmap="gray", vmin=-128, vmax=382)
    axes.imshow(heat, cmap="inferno", vmin=0, vmax=1, alpha=0.6)


@in_style
def draw_confusion(counts: npt.NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Draw the confusion matrix, coloured by each row's shares, and next to it the recall of each class.

    Args:
        counts: Test images by true class (rows) and predicted class (columns), (K, K).
        classes: Names of the classes, (K,).
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.4 + 0.42 * min(len(classes), COUNTED)
    figure = Figure(figsize=(size + 2.2, size), layout="constrained")
    matrix, accuracy = figure.subplots(1, 2, sharey=True, width_ratios=[5, 2])
    # On a linear colour scale, the errors, a few per cent each, would all look white.
    matrix.imshow(shares, cmap="Blues", norm=PowerNorm(0.4, 0, 1), aspect="auto")
    matrix.set(xlabel="predicted class", ylabel="true class")
    places = range(len(classes))
    _name_places(matrix, classes, 72 * 0.42 * min(1.0, COUNTED / len(classes)))
    matrix.grid(visible=False)
    if len(classes) <= COUNTED:
        for row, column in zip(*np.nonzero(counts), strict=True):
            color = "white" if shares[row, column] > 0.3 else "black"
            matrix.text(column, row, f"{counts[row, column]:d}", ha="center", va="center", color=color, fontsize=8)
    # Dots instead of bars, because the axis does not start at 0.
    accuracy.plot(shares.diagonal(), places, "o", color=BLUE, ms=6 if len(classes) <= COUNTED else 3)
    if len(classes) <= COUNTED:
        for place, value in zip(places, shares.diagonal(), strict=True):
            accuracy.annotate(
                f"{100 * value:.1f}", (value, place), (0, 5), textcoords="offset points", ha="center", fontsize=8
            )
    accuracy.set_xlabel("recall of the class")
    accuracy.margins(x=0.15)
    accuracy.xaxis.set_major_locator(MaxNLocator(4 if len(classes) > 5 else 2))
    accuracy.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.3g} %"))
    accuracy.tick_params(labelleft=False)
    return figure


def _name_places(matrix: Axes, classes: Sequence[str], room: float) -> None:
    """Label the rows and columns, which are ``room`` points wide, or every n-th of them if that is too narrow."""
    every = math.ceil(_LEAST_POINTS / room)
    places, size = range(0, len(classes), every), min(9.0, 0.8 * room * every)
    names = [classes[place] for place in places]
    # Names are plain text: a dollar sign must not start a formula.
    matrix.set_xticks(places, names, parse_math=False, fontsize=size)
    matrix.set_yticks(places, names, parse_math=False, fontsize=size)
    if max(map(len, classes)) > 3 or len(classes) > COUNTED:
        matrix.tick_params(axis="x", labelrotation=45 if len(classes) <= COUNTED else 90)
        for label in matrix.get_xticklabels():
            label.set(
                ha="right", va="center_baseline" if len(classes) > COUNTED else "baseline", rotation_mode="anchor"
            )


@in_style
def draw_reliability(calibration: Calibration) -> Figure:
    """Draw accuracy over confidence in bins, the gap to perfect calibration, and below it each bin's number of images.

    Args:
        calibration: Calibration to draw.
    """
    figure = Figure(figsize=(8.5, 5.6), layout="constrained")
    accuracy, images = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.2])
    edges, filled = calibration.edges, calibration.counts > 0
    left, width = edges[:-1][filled], np.diff(edges)[filled]
    share, confidence = calibration.accuracy[filled], calibration.confidence[filled]
    bar: dict[str, Any] = {"align": "edge", "lw": 0.8}
    lower = accuracy.bar(left, share, width, color=SKY, edgecolor="white", label="accuracy", **bar)
    gap = accuracy.bar(
        left,
        confidence - share,
        width,
        bottom=share,
        color="none",
        edgecolor=VERMILION,
        hatch="////",
        label="gap to the mean confidence",
        **bar,
    )
    accuracy.plot([0, 1], [0, 1], color="black", ls="--", lw=1.2, label="perfect calibration")
    accuracy.set_ylabel("accuracy")
    accuracy.set_ylim(0, 1)
    accuracy.set_title(f"Expected calibration error {100 * calibration.error:.2f} %")
    figure.legend(loc="outside upper left", ncols=3)
    below = images.bar(left, calibration.counts[filled], width, color=GREY, edgecolor="white", **bar)
    counted = zip(edges[1:][filled], confidence, share, calibration.counts[filled], strict=True)
    for parts, (end, sure, right, count) in zip(zip(lower, gap, below, strict=True), counted, strict=True):
        title = (
            f"confidence up to {100 * end:.0f} %, mean {100 * sure:.1f} %\naccuracy {100 * right:.1f} %, {count} images"
        )
        for part in parts:
            set_title(part, title)
    for place, count in zip(left + width / 2, calibration.counts[filled], strict=True):
        images.annotate(f"{count}", (place, count), (0, 2), textcoords="offset points", ha="center", fontsize=7)
    images.margins(y=0.15)
    images.set_ylabel("images")
    images.set_xlabel("confidence, the probability of the predicted class")
    images.set_xlim(0, 1)
    images.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    for axis in (accuracy.yaxis, images.xaxis):
        axis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    figure.align_ylabels()
    return figure
