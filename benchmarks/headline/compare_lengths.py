"""Compare the recordings of :mod:`benchmarks.headline.lengths`: a table, a picture, and what tuning and cycles gain.

    uv run python -m benchmarks.headline.compare_lengths
    uv run python -m benchmarks.headline.compare_lengths --picture docs/lengths.png
    uv run python -m benchmarks.headline.compare_lengths --network group_norm

Lengths that are not recorded stay blank.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from matplotlib.figure import Figure

from benchmarks.headline.lengths import LENGTHS, RECORDINGS, RecordingsOption, WidthOption, read_recipes, series
from benchmarks.race.measures import Estimate, estimate
from benchmarks.race.replay import with_interval
from benchmarks.tools.lines import read_lines
from benchmarks.tools.markdown import markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.report.figures.canvas import BLUE, GREY, ORANGE, in_style, mark_target, spread_accuracy
from tune_s11.search.steps.lengths import lower_limit

KINDS = {
    "untuned": "one cycle, untuned",
    "suggested": "one cycle, at the range test's rate",
    "cycle": "one cycle, tuned",
    "steps": "steps, tuned",
}
"""Names of the recipes."""

COLOURS = {"untuned": GREY, "cycle": BLUE, "steps": ORANGE}
"""Colours of the recipes that are drawn."""

RESAMPLES = 2000

Scores = Mapping[int, Mapping[int, float]]
"""Test accuracies: epochs -> seed -> accuracy."""


class Interval(NamedTuple):
    """An estimate with its 95% interval."""

    value: float
    low: float
    high: float


def read_scores(path: Path) -> Scores:
    """Return the test accuracies of a recording; none if there is no file."""
    found: dict[int, dict[int, float]] = {}
    for line in read_lines(path)[1:]:
        found.setdefault(line["epochs"], {})[line["seed"]] = line["test"]
    return dict(sorted(found.items()))


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


def epochs_at(lengths: Sequence[int], means: Sequence[float], accuracy: float) -> float:
    """Return the epochs at which a recipe's mean reaches an accuracy, interpolated between its lengths.

    Args:
        lengths: The recipe's lengths in epochs, in ascending order.
        means: Mean accuracy at each length, assumed to be linear in the logarithm of the epochs between lengths.
        accuracy: Accuracy to reach.

    Returns:
        The epochs; the shortest length if even that reaches the accuracy, infinity if no length does.
    """
    if means[0] >= accuracy:
        return float(lengths[0])
    for index in range(1, len(lengths)):
        if means[index] >= accuracy:
            share = (accuracy - means[index - 1]) / (means[index] - means[index - 1])
            return float(lengths[index - 1] * (lengths[index] / lengths[index - 1]) ** share)
    return math.inf


def as_accurate_in(scores: Scores, others: Scores, at: int) -> Interval | None:
    """Return the epochs after which a recipe is as accurate as another one after ``at`` epochs.

    The interval is a percentile bootstrap over the seeds, which both recipes share.

    Args:
        scores: Test accuracies of the recipe.
        others: Test accuracies of the other recipe.
        at: Length of the other recipe in epochs.

    Returns:
        The estimate; None unless at least two seeds are recorded at all of these lengths.
    """
    seeds = sorted(set.intersection(*(set(by_seed) for by_seed in [*scores.values(), others.get(at, {})])))
    if len(seeds) < 2:
        return None
    lengths = list(scores)
    table = np.array([[by_seed[seed] for seed in seeds] for by_seed in scores.values()])
    level = np.array([others[at][seed] for seed in seeds])

    def at_seeds(chosen: Sequence[int] | np.ndarray) -> float:
        return epochs_at(lengths, list(table[:, chosen].mean(axis=1)), float(level[chosen].mean()))

    generator = np.random.default_rng(0)
    draws = [at_seeds(generator.integers(0, len(seeds), len(seeds))) for _ in range(RESAMPLES)]
    low, high = np.quantile(draws, [0.025, 0.975], method="nearest")
    return Interval(at_seeds(range(len(seeds))), float(low), float(high))


def gain(scores: Scores, others: Scores, at: int) -> Estimate | None:
    """Return a recipe's accuracy less another one's after ``at`` epochs, in percentage points, paired by seed.

    Returns:
        The mean with Student's 95% interval; None unless two seeds are recorded for both.
    """
    ours, theirs = scores.get(at, {}), others.get(at, {})
    differences = [100 * (ours[seed] - theirs[seed]) for seed in sorted(set(ours) & set(theirs))]
    return estimate(np.array(differences)) if len(differences) > 1 else None


@in_style
def draw(recorded: Mapping[str, Scores], target: float) -> Figure:
    """Draw test accuracy over epochs, one line for each recipe; bars are one standard deviation over seeds."""
    figure = Figure(figsize=(8.5, 4.2), layout="constrained")
    axes = figure.add_subplot(xlabel="epochs of the training", ylabel="test accuracy (log error scale)", xscale="log")
    for kind, colour in COLOURS.items():
        if not (scores := recorded[kind]):
            continue
        values = [list(by_seed.values()) for by_seed in scores.values()]
        means = [float(np.mean(each)) for each in values]
        spreads = [float(np.std(each, ddof=1)) if len(each) > 1 else 0.0 for each in values]
        axes.errorbar(list(scores), means, spreads, fmt="o-", color=colour, capsize=4, label=KINDS[kind])
    mark_target(axes, target)
    spread_accuracy(axes)
    axes.set_xticks(LENGTHS, [str(epochs) for epochs in LENGTHS])
    axes.minorticks_off()
    axes.legend(loc="lower right")
    return figure


def cell(by_seed: Mapping[int, float]) -> str:
    """Return mean, standard deviation and number of a length's accuracies in percent."""
    if not by_seed:
        return ""
    values = 100 * np.array(list(by_seed.values()))
    spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 2 else ""  # the spread of two values says nothing
    return f"{values.mean():.2f}{spread} (n = {len(values)})"


def describe(interval: Interval | None) -> str:
    """Describe an estimate of epochs with its interval."""
    if interval is None:
        return "not recorded"
    value, low, high = map(_epochs_in_words, interval)
    return f"{value} ({low} to {high}) epochs"


def _epochs_in_words(epochs: float) -> str:
    if math.isinf(epochs):
        return f"more than {max(LENGTHS)}"
    return f"at most {epochs:g}" if epochs == min(LENGTHS) else f"{epochs:.1f}"


app = new_app("Compare how short the trainings of several recipes can be.")


@app.command()
def main(
    network: Annotated[str, typer.Option("--network", metavar="NAME", help="s11, or the function of a model.")] = "s11",
    width: WidthOption = 16,
    target: Annotated[float, typer.Option("--target", min=0.0, max=1.0, help="Test accuracy to reach.")] = 0.9,
    recordings: RecordingsOption = RECORDINGS,
    picture: Annotated[Path | None, typer.Option("--picture", help="Also draw into this file.")] = None,
) -> None:
    """Print the table, the fewest epochs to the target, and what the cycle and tuning save and gain."""
    recorded = {kind: read_scores(recordings / f"{series(kind, network, width)}.jsonl") for kind in KINDS}
    print(*markdown_head(["test accuracy, %", *(f"{epochs} epochs" for epochs in LENGTHS)]), sep="\n")
    for kind, scores in recorded.items():
        print(markdown_row([KINDS[kind], *(cell(scores.get(epochs, {})) for epochs in LENGTHS)]))
    print()
    for kind, scores in recorded.items():
        reached = fewest(scores, target)
        least = f"in {reached} epochs" if reached else "in none of these lengths" if scores else "not recorded"
        print(f"- {KINDS[kind]}: {target:.0%} {least}")
    longest = max(LENGTHS)
    for kind, other in (("cycle", "steps"), ("cycle", "untuned")):
        epochs = as_accurate_in(recorded[kind], recorded[other], longest) if recorded[kind] else None
        print(f"- as accurate as {KINDS[other]} after {longest} epochs, {KINDS[kind]}: {describe(epochs)}")
    for other in ("untuned", "suggested", "steps"):
        more = gain(recorded["cycle"], recorded[other], longest)
        points = "not recorded" if more is None else f"{with_interval(more, 2)} percentage points"
        print(f"- {KINDS['cycle']}, less {KINDS[other]}, after {longest} epochs: {points}")
    recipes = read_recipes(recordings)
    for kind, recipe in KINDS.items():
        if found := recipes.get(series(kind, network, width)):
            print(f"- the search of {recipe}: {found['trials']} trials, {found['epochs']} epochs")
    if picture is not None:
        draw(recorded, target).savefig(picture, dpi=130)
        print(f"picture: {picture}")


if __name__ == "__main__":
    run(app, "benchmarks.headline.compare_lengths")
