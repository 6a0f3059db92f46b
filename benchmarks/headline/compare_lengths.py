"""Compare the recordings of :mod:`benchmarks.headline.lengths`: a table, a picture, and what tuning and cycles gain.

    uv run python -m benchmarks.headline.compare_lengths
    uv run python -m benchmarks.headline.compare_lengths --out docs    # also into results.json and .md, with a picture
    uv run python -m benchmarks.headline.compare_lengths --network group_norm
    uv run python -m benchmarks.headline.compare_lengths --width 64 --all-images

Lengths that are not recorded stay blank.
"""

import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import matplotlib
import numpy as np
import typer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import sem, t

from benchmarks.headline.lengths import (
    RECORDINGS,
    AllImagesOption,
    RecordingsOption,
    WidthOption,
    name_of,
    read_recipes,
    recording_of,
)
from benchmarks.headline.refits import circumstances
from benchmarks.headline.tables import RECIPES, lengths_section, write_results
from benchmarks.race.measures import Estimate, estimate
from benchmarks.tools.lines import read_lines
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import fraction
from tune_s11.config import InputError
from tune_s11.report.figures.canvas import BLUE, GREY, ORANGE, in_style, mark_target, spread_accuracy
from tune_s11.results.records import Summary
from tune_s11.search.steps.lengths import lower_limit

COLOURS = {"untuned": GREY, "cycle": BLUE, "steps": ORANGE}
"""Colours of the recipes that are drawn."""

GRID = 2000
"""Lengths between the shortest and the longest at which recipes are compared."""

ROUNDING = 1e-9
"""Tolerance for accuracies, so that a recipe is as accurate as itself."""

Scores = Mapping[int, Mapping[int, float]]
"""Test accuracies: epochs -> seed -> accuracy."""


@dataclass(frozen=True)
class Recording:
    """One recipe's runs: the header of its file, and a row of each run."""

    header: dict[str, Any]
    rows: list[dict[str, Any]]

    @property
    def scores(self) -> Scores:
        """Test accuracies, with the lengths in ascending order."""
        found: dict[int, dict[int, float]] = {}
        for row in self.rows:
            found.setdefault(row["epochs"], {})[row["seed"]] = row["test"]
        return dict(sorted(found.items()))


class Interval(NamedTuple):
    """An estimate with its 95% interval."""

    value: float
    low: float
    high: float


def read_recordings(folder: Path, network: str, width: int, *, all_images: bool) -> dict[str, Recording]:
    """Return what is recorded of a network, by the kind of recipe.

    Raises:
        InputError: Nothing is recorded, or runs of different processors or images.
    """
    found = {}
    for kind in RECIPES:
        name = recording_of(name_of(kind, network), width, all_images=all_images)
        if lines := read_lines(folder / f"{name}.jsonl"):
            found[kind] = Recording(lines[0], lines[1:])
    if not found:
        raise InputError(f"{folder}: has no recordings of {network} at width {width}; expected lengths record first")
    for key in ("processor", "images"):
        values = {kind: recording.header["of"][key] for kind, recording in found.items()}
        if len(set(values.values())) > 1:
            raise InputError(f"{folder}: {key} differs, {values}; expected one for all recipes")
    return found


def fewest(scores: Scores, target: float) -> int | None:
    """Return the fewest epochs for which the one-sided 95% lower limit of the mean accuracy reaches the target."""
    return next(
        (
            epochs
            for epochs, by_seed in scores.items()
            if len(by_seed) > 1 and lower_limit(list(by_seed.values())) >= target
        ),
        None,
    )


def as_accurate_in(scores: Scores, others: Scores, at: int) -> Interval | None:
    """Return the epochs after which a recipe is as accurate as another one after ``at`` epochs.

    The interval holds the lengths at which Student's two-sided 95% interval of the difference, paired by seed, contains
    0. Between the recorded lengths, each seed's accuracy is assumed to be linear in the logarithm of the epochs.

    Args:
        scores: Test accuracies of the recipe.
        others: Test accuracies of the other recipe.
        at: Length of the other recipe in epochs.

    Returns:
        The estimate, the shortest length if even that is as accurate, infinity if none is; None unless the recipe
        has several lengths, and at least two seeds are recorded at all of these lengths.
    """
    if len(scores) < 2:
        return None
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in [*scores.values(), others.get(at, {})])))
    if len(seeds) < 2:
        return None
    lengths = list(scores)
    grid = np.geomspace(lengths[0], lengths[-1], GRID)
    more = np.array(
        [
            np.interp(np.log(grid), np.log(lengths), [by_seed[seed] for by_seed in scores.values()]) - others[at][seed]
            for seed in seeds
        ]
    )
    half = t.ppf(0.975, len(seeds) - 1) * sem(more)

    def first(reached: np.ndarray) -> float:
        return float(grid[reached.argmax()]) if reached.any() else math.inf

    mean = more.mean(axis=0) + ROUNDING
    return Interval(first(mean >= 0), first(mean + half >= 0), first(mean - half >= 0))


def gain(scores: Scores, others: Scores, at: int) -> Estimate | None:
    """Return a recipe's accuracy less another one's after ``at`` epochs, in percentage points, paired by seed.

    Returns:
        The mean with Student's 95% interval; None unless two seeds are recorded for both.
    """
    ours, theirs = scores.get(at, {}), others.get(at, {})
    differences = [100 * (ours[seed] - theirs[seed]) for seed in sorted(set(ours) & set(theirs))]
    return estimate(np.array(differences)) if len(differences) > 1 else None


def measure(recorded: Mapping[str, Recording], target: float) -> dict[str, Any]:
    """Return the circumstances of recordings, their accuracies and what follows from them, in plain values.

    The tuned cycle is compared with the other recipes after the longest length; epochs beyond that are None.
    """
    header = next(iter(recorded.values())).header
    of, recipe = header["of"], header["of"]["recipe"]
    scores = {kind: recording.scores for kind, recording in recorded.items()}
    lengths = sorted({epochs for by_length in scores.values() for epochs in by_length})
    saved, gains = {}, {}
    for other in scores:
        if other != "cycle" and "cycle" in scores:
            saved[other] = as_accurate_in(scores["cycle"], scores[other], lengths[-1])
            gains[other] = gain(scores["cycle"], scores[other], lengths[-1])
    return circumstances(header["manifest"]) | {
        "processor": of["processor"],
        "network": recipe["model"].rpartition(":")[2],
        "width": recipe["width"],
        "train_images": of["images"],
        "precision": of["hardware"].get("precision", "fp32"),
        "lengths": {str(epochs): _at_length(recorded, epochs) for epochs in lengths},
        "target": target,
        "fewest": {kind: fewest(by_length, target) for kind, by_length in scores.items()},
        "as_accurate_in": {
            other: [None if math.isinf(epochs) else round(epochs, 2) for epochs in interval]
            for other, interval in saved.items()
            if interval is not None
        },
        "gains": {
            other: [round(points, 3) for points in interval]
            for other, interval in gains.items()
            if interval is not None
        },
    }


def _at_length(recorded: Mapping[str, Recording], epochs: int) -> dict[str, Any]:
    """Return what the runs of one length cost, and the accuracies of each recipe."""
    rows = {kind: [row for row in each.rows if row["epochs"] == epochs] for kind, each in recorded.items()}
    of_all = [row for of_kind in rows.values() for row in of_kind]
    return {
        "steps": of_all[0]["steps"],
        "minutes": round(min(row["seconds"] for row in of_all) / 60, 1),  # the run that other programs slowed least
        "test_accuracy": {
            kind: Summary.of([row["test"] for row in of_kind]).model_dump() for kind, of_kind in rows.items() if of_kind
        },
    }


@in_style
def draw(recorded: Mapping[str, Recording], target: float) -> Figure:
    """Draw the learning curves of one recipe's cycles, and the test accuracy of each recipe over the lengths.

    Args:
        recorded: Recordings with validation accuracies, by the kind of recipe.
        target: Accuracy to mark, as a fraction.
    """
    ticks = sorted({row["epochs"] for recording in recorded.values() for row in recording.rows})
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    curves, lengths = figure.subplots(1, 2)
    shown = "cycle" if "cycle" in recorded else next(iter(recorded))
    _draw_curves(curves, recorded[shown])
    curves.set(xlabel="epoch", ylabel="accuracy (log error scale)")
    curves.set_title(f"Validation accuracy of each cycle: {RECIPES[shown]}")
    for kind, colour in COLOURS.items():
        if kind not in recorded:
            continue
        scores = recorded[kind].scores
        values = [list(by_seed.values()) for by_seed in scores.values()]
        means = [statistics.mean(each) for each in values]
        spreads = [statistics.stdev(each) if len(each) > 2 else 0.0 for each in values]
        lengths.errorbar(list(scores), means, spreads, fmt="o-", color=colour, capsize=4, label=RECIPES[kind])
    lengths.set(xlabel="epochs of the training", xscale="log")
    lengths.set_title("Test accuracy after the last epoch")
    lengths.set_xticks(ticks, map(str, ticks))
    lengths.minorticks_off()
    lengths.legend(loc="lower right")
    for axes in (curves, lengths):
        mark_target(axes, target)
        spread_accuracy(axes)
    return figure


def _draw_curves(axes: Axes, recording: Recording) -> None:
    """Draw the mean validation accuracy after each epoch, one line for each length."""
    lengths = list(recording.scores)
    for epochs, colour in zip(
        lengths, matplotlib.colormaps["viridis_r"](np.linspace(0.15, 1, len(lengths))), strict=True
    ):
        means = np.mean([row["validation"] for row in recording.rows if row["epochs"] == epochs], axis=0)
        axes.plot(range(1, epochs + 1), means, color=colour, label=f"{epochs} epochs")
        axes.plot(epochs, means[-1], "o", color=colour)
    axes.legend(loc="lower right")


app = new_app("Compare how short the trainings of several recipes can be.")


@app.command()
def main(
    network: Annotated[str, typer.Option("--network", metavar="NAME", help="s11, or the function of a model.")] = "s11",
    width: WidthOption = 16,
    all_images: AllImagesOption = False,
    target: Annotated[float, typer.Option("--target", parser=fraction, metavar="ACCURACY", help="To reach.")] = 0.9,
    recordings: RecordingsOption = RECORDINGS,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of results.json and .md, and of a picture.")] = None,
) -> None:
    """Print the table, the fewest epochs to the target, and what the cycle and tuning save and gain."""
    recorded = read_recordings(recordings, network, width, all_images=all_images)
    recipes = read_recipes(recordings)
    searches = {kind: recipes.get(name_of(kind, network)) for kind in recorded}
    name = recording_of(name_of("lengths", network), width, all_images=all_images)
    command = f"-m benchmarks.headline.compare_lengths --network {network} --width {width}"
    entry = measure(recorded, target) | {
        "command": command + (" --all-images" if all_images else "") + " --out docs",
        "searches": {kind: search for kind, search in searches.items() if search},
        "picture": None if all_images else f"{name}.png",  # no validation, no learning curves
    }
    print(lengths_section(entry))
    if out is not None:
        file = out / "results.json"
        results = json.loads(file.read_text()) if file.exists() else {}
        results["lengths"] = results.get("lengths", {}) | {name: entry}
        write_results(results, out)
        if entry["picture"]:
            draw(recorded, target).savefig(out / entry["picture"], dpi=130)


if __name__ == "__main__":
    run(app, "benchmarks.headline.compare_lengths")
