"""Render ``docs/results.md`` from ``docs/results.json``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.tools.markdown import markdown_head, markdown_row
from tune_s11.storage.files import write_whole

GOALS = {
    ("gpu", 64): [("mean test accuracy, n = 20", 0.94)],
    ("cpu-64", 64): [("test accuracy", 0.937)],
    ("cpu", 32): [("mean test accuracy", 0.93)],
}
"""Goals by profile and width."""

TITLES = {
    "gpu": "On a GPU: the full recipe",
    "cpu-64": "On two CPU cores: the full recipe, once",
    "cpu": "On two CPU cores: the search, and its winner in a narrow network",
}

RECIPES = {
    "untuned": "one cycle, untuned",
    "suggested": "one cycle, at the range test's rate",
    "cycle": "one cycle, tuned",
    "steps": "reduce on plateau, tuned",
}
"""Names of the recipes whose lengths are compared."""

NOTES = "\n## Notes\n"
"""Heading below which the page is written manually."""


def notes_of(page: Path) -> str:
    """Return the manually written notes below the tables of a page, with their heading; empty if there are none."""
    text = page.read_text() if page.exists() else ""
    _, heading, notes = text.partition(NOTES)
    return heading + notes


def write_results(results: dict[str, Any], out: Path) -> None:
    """Write ``results.json`` and the page with its tables, whose notes are kept, into a folder."""
    page = out / "results.md"
    write_whole(out / "results.json", json.dumps(results, indent=1) + "\n")
    write_whole(page, render(results) + notes_of(page))
    print(f"results: {page}")


def render(results: dict[str, Any]) -> str:
    """Return the page with the tables as Markdown."""
    parts = [
        "# Results\n",
        "Written by `python -m benchmarks.headline` and `python -m benchmarks.headline.compare_lengths` from",
        "`results.json`. Fractions of the CIFAR-10 test images after the last epoch, EMA weights, no test-time",
        "augmentation unless it is named. In the commands, `CIFAR10` is an image folder; without `--data-dir`,",
        "CIFAR-10 is downloaded.\n",
    ]
    measured = [kind for kind in TITLES if results.get(kind) is not None]
    for kind in measured:
        entry = results[kind]
        found = _search(entry) if "search" in entry else "The winner is that of `--profile cpu`: " + _winner(entry)
        parts += [f"## {TITLES[kind]}\n", _circumstances(entry), _accuracies(kind, entry), found]
    for entry in results.get("lengths", {}).values():
        network = f"{entry['network']} at width {entry['width']}"
        parts += [f"## How short the training may be: {network}\n", lengths_section(entry)]
        if entry["picture"]:
            parts.append(f"![Learning curves of each cycle, and test accuracy over the lengths]({entry['picture']})\n")
    missing = [f"`--profile {kind}`" for kind in TITLES if kind not in measured]
    if missing:
        parts.append(f"Not measured yet: {', '.join(missing)} of `benchmarks.headline`.\n")
    return "\n".join(parts)


def lengths_section(entry: dict[str, Any]) -> str:
    """Return the accuracies of several recipes after several lengths, and what follows from them, as Markdown."""
    lengths, target, longest = entry["lengths"], f"{100 * entry['target']:g}%", max(map(int, entry["lengths"]))
    kinds = list(entry["fewest"])
    setting = f"{entry['precision']}, {entry['processor']}; {entry['train_images']:,} images"
    lines = [
        f"{_circumstances(entry)}\nTest accuracy in percent of the runs that `benchmarks.headline.lengths` recorded, "
        f"mean ± SD over seeds ({setting}).\n"
    ]
    lines += markdown_head(["recipe", *(f"{epochs} epochs" for epochs in lengths)])
    for kind in kinds:
        found = (measured["test_accuracy"].get(kind) for measured in lengths.values())
        lines.append(markdown_row([RECIPES[kind], *map(_accuracy, found)]))
    for name, key in (("training steps", "steps"), ("minutes of the fastest run", "minutes")):
        lines.append(
            markdown_row([name, *("" if each[key] is None else f"{each[key]:,}" for each in lengths.values())])
        )
    lines.append("")
    for kind in kinds:
        fewest = entry["fewest"][kind]
        least = "in none of these lengths" if fewest is None else f"in {fewest} epochs"
        lines.append(f"- {RECIPES[kind]}: {target} {least}")
    for other, epochs in entry["as_accurate_in"].items():
        needed = _in_words(epochs, min(map(int, lengths)), longest)
        lines.append(f"- {RECIPES['cycle']}: {needed} are as accurate as {longest} epochs of {RECIPES[other]}")
    for other, (mean, _, high) in entry["gains"].items():
        points = f"{mean:.2f} ± {high - mean:.2f} percentage points"
        interval = f"after {longest} epochs; 95% interval, paired by seed"
        lines.append(f"- {RECIPES['cycle']}: {points} above {RECIPES[other]} ({interval})")
    for kind, search in entry["searches"].items():
        lines.append(f"- the search of {RECIPES[kind]}: {search['trials']} trials, {search['epochs']} epochs")
    return "\n".join(lines) + "\n"


def _accuracy(summary: dict[str, Any] | None) -> str:
    if summary is None:
        return ""
    spread = f" ± {100 * summary['sd']:.2f}" if summary["n"] > 2 else ""  # the spread of two values says nothing
    return f"{100 * summary['mean']:.2f}{spread} (n = {summary['n']})"


def _in_words(interval: Sequence[float | None], shortest: int, longest: int) -> str:
    """Describe epochs with their interval; None is beyond the longest length."""

    def number(epochs: float | None) -> str:
        if epochs is None:
            return f"more than {longest}"
        return f"at most {epochs:g}" if epochs == shortest else f"{epochs:.1f}"

    value, low, high = map(number, interval)
    return f"{value} epochs ({low} to {high})"


def _circumstances(entry: dict[str, Any]) -> str:
    machine = entry["machine"]
    what = ", ".join(machine["gpus"]) or f"{machine['cores']} cores of {machine['cpu']}"
    versions = ", ".join(f"{name} {version}" for name, version in entry["packages"].items())
    return f"{entry['date']}, {what}, Python {entry['python']}, {versions}.\n\n```sh\npython {entry['command']}\n```\n"


def _accuracies(kind: str, entry: dict[str, Any]) -> str:
    refit = entry["refit"]
    runs = f"width {refit['width']}, {refit['train_images']:,} images, {refit['epochs']} epochs, {refit['precision']}"
    rows = [
        (f"the winner ({runs})", refit["test_accuracy"]),
        ("the same, raw weights", refit["test_accuracy_raw"]),
        ("the same, EMA weights, mirror images too", refit["test_accuracy_flipped_too"]),
    ]
    for name, measured in entry["variants"].items():
        rows.append((name, measured["test_accuracy"]))
        rows.append((f"{name}, raw weights", measured["test_accuracy_raw"]))
    lines = markdown_head(["recipe", "mean", "SD", "n"])
    lines += [markdown_row([name, f"{it['mean']:.4f}", _sd(it), str(it["n"])]) for name, it in rows]
    for goal, least in GOALS.get((kind, refit["width"]), []):
        mean = refit["test_accuracy"]["mean"]
        lines.append(
            f"\nGoal, {goal}: at least {least}; {'met' if mean >= least else f'missed by {least - mean:.4f}'}."
        )
    runs = ", ".join(f"seed {run['seed']}: {run['ema']:.4f}" for run in refit["runs"])
    return "\n".join(lines) + f"\n\nEach run: {runs}.\n"


def _search(entry: dict[str, Any]) -> str:
    search = entry["search"]
    states = ", ".join(f"{count} {state}" for state, count in search["trials"].items())
    lines = [
        f"The search: width {search['width']}, {search['train_images']:,} images, validation included; {states}; "
        f"{search['epochs_run']} epochs run, {search['epochs_without_pruning']} without pruning; "
        f"{search['hours_of_training']:.2f} hours of training, workers added up.",
    ]
    if search["bounds"]:
        low, high, first = (search["bounds"][key] for key in ("low", "high", "suggestion"))
        lines.append(f"Its range test put `max_lr` between {low:.3g} and {high:.3g} and tried {first:.3g} first.")
    return "\n".join([*lines, "The winner is " + _winner(entry)])


def _winner(entry: dict[str, Any]) -> str:
    winner = entry["winner"]
    params = ", ".join(f"{name} {value:.4g}" for name, value in winner["params"].items())
    return f"{winner['trial']}, validation accuracy {winner['validation_accuracy']:.4f}: {params}.\n"


def _sd(summary: dict[str, Any]) -> str:
    """Return the standard deviation for a table; two runs have one, but it says nothing about the spread."""
    return f"{summary['sd']:.4f}" if summary["n"] > 2 else "-"
