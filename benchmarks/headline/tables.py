"""Render ``docs/results.md`` from ``docs/results.json``."""

from pathlib import Path
from typing import Any

from benchmarks.tools.markdown import markdown_head, markdown_row

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

NOTES = "\n## Notes\n"
"""Heading below which the page is written manually."""


def notes_of(page: Path) -> str:
    """Return the manually written notes below the tables of a page, with their heading; empty if there are none."""
    text = page.read_text() if page.exists() else ""
    _, heading, notes = text.partition(NOTES)
    return heading + notes


def render(results: dict[str, Any]) -> str:
    """Return the page with the tables as Markdown."""
    parts = [
        "# Results\n",
        "Written by `python -m benchmarks.headline` from `results.json`. Fractions of the CIFAR-10 test images after",
    ]
    parts.append("the last epoch, EMA weights, no test-time augmentation unless it is named.\n")
    for kind, title in TITLES.items():
        parts.append(f"## {title}\n")
        entry = results.get(kind)
        if entry is None:
            parts.append(f"Not measured yet; `python -m benchmarks.headline --profile {kind}` measures it.\n")
        else:
            found = _search(entry) if "search" in entry else "The winner is that of `--profile cpu`: " + _winner(entry)
            parts += [_circumstances(entry), _accuracies(kind, entry), found]
    return "\n".join(parts)


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
