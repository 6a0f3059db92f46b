"""Measure the headline: the search's winner for the S11 recipe on CIFAR-10, tested over several seeds.

    uv run python -m benchmarks.headline --data-dir CIFAR10     # an image folder; without it CIFAR-10 is downloaded
    uv run python -m benchmarks.headline --profile cpu
    uv run python -m benchmarks.headline --profile cpu-64       # the winner of --profile cpu, in the full recipe

This runs one search, the refit of its winner and, on a GPU, the comparisons. It then writes ``docs/results.json``,
renders ``docs/results.md`` from it, and puts the pictures of the winner's report next to them. On CPUs the refit is
narrow; ``cpu-64`` trains the same winner once at the recipe's own width, which takes all cores for hours. Steps
that an earlier, interrupted run finished are not repeated.
"""

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer
from PIL import Image
from rich.console import Console

from benchmarks.headline.refits import FolderOption, describe, train_once
from benchmarks.headline.tables import write_results
from tune_s11.cli.app import new_app, run
from tune_s11.cli.arguments import resolve_config
from tune_s11.cli.hints import repeat_commands
from tune_s11.cli.options import RESULTS, DataDirOption, SetOption
from tune_s11.config import InputError, Recipe
from tune_s11.data import load_dataset
from tune_s11.report import write_report
from tune_s11.results import SearchFolder, SearchResult, load_search
from tune_s11.results.folder import LAYOUT, RefitFolder
from tune_s11.results.records import RefitScores, Summary, read_record_or_none
from tune_s11.search.context import Context
from tune_s11.search.steps.refits import refit
from tune_s11.search.workers.cluster import Resources, connect
from tune_s11.search.workers.executor import Executor
from tune_s11.storage.workspace import Local
from tune_s11.training.trainer import TrainingData

ROOT = Path(__file__).parents[2]
PICTURES = ("trials", "range_test", "schedule", "curves", "heat_maps")
PICTURE_WIDTH = 1100
"""Width in pixels; the report's pictures are twice as wide, which no README needs."""


@dataclass(frozen=True)
class Variant:
    """A recipe to compare with the winner.

    Attributes:
        seeds: Number of runs.
        changes: Values that replace those of the winner.
        suggestion: Whether to use the space file's recipe at the range test's suggestion instead of the winner.
        held_out: Whether the validation images are held out from training, because the recipe needs them.
    """

    seeds: int
    changes: dict[str, Any] = field(default_factory=dict)
    suggestion: bool = False
    held_out: bool = False


PLATEAU = {"schedule": "plateau", "min_lr_fraction": 1e-4}
"""Changes for ReduceLROnPlateau. It divides the learning rate by ten at a time, and the winner's own floor may be a
single division away."""


@dataclass(frozen=True)
class Profile:
    """Runs for one kind of machine: options of the search, and recipes to compare with its winner."""

    search: tuple[str, ...]
    variants: dict[str, Variant]


PROFILES = {
    "gpu": Profile(
        ("--samples", "64", "--set", "search.refit_seeds=20"),
        {
            "the range test's suggestion alone": Variant(20, suggestion=True),
            "one cycle, without the validation images": Variant(10, held_out=True),
            "ReduceLROnPlateau, 24 epochs, without them too": Variant(10, PLATEAU, held_out=True),
            "ReduceLROnPlateau, 50 epochs, without them too": Variant(10, PLATEAU | {"epochs": 50}, held_out=True),
            "without label smoothing": Variant(10, {"label_smoothing": 0.0}),
            "logits not scaled": Variant(10, {"logit_scale": 1.0}),
        },
    ),
    # Trials of half the width on 12,000 images take minutes on two cores. With a quarter of the batch size an epoch has
    # 93 steps, nearly the 97 of a refit (46 where grace 4 was measured). 3,000 held-out images measure accuracy to 0.7
    # points.
    "cpu": Profile(
        (
            *("--samples", "16", "--set", "width=16", "--set", "batch_size=128"),
            *("--set", "train_images=15000", "--set", "val_fraction=0.2"),
            *("--set", "refit.width=32", "--set", "refit.batch_size=512", "--set", "refit.train_images=50000"),
            *("--set", "search.refit_seeds=2"),
            *("--set", "search.finalists=0"),  # fifteen more runs would take as long as the search
        ),
        {},
    ),
}


def headline(
    profile: Annotated[
        Literal["cpu", "cpu-64", "gpu"] | None,
        typer.Option("--profile", help="Default: gpu if there is one, else cpu."),
    ] = None,
    data_dir: DataDirOption = None,
    settings: SetOption = None,
    storage: FolderOption = RESULTS,
    out: Annotated[Path, typer.Option("--out", help="Folder of the tables and pictures.")] = ROOT / "docs",
) -> None:
    """Search, refit and compare, then write the tables and pictures."""
    chosen = profile or ("gpu" if torch.cuda.is_available() else "cpu")
    changes = [part for setting in settings or [] for part in ("--set", setting)]
    file = out / "results.json"
    results: dict[str, Any] = dict.fromkeys(("headline", "cpu", "cpu-64", "gpu"))
    results |= json.loads(file.read_text()) if file.exists() else {}
    if chosen == "cpu-64":
        if results["cpu"] is None:
            raise InputError(f"--profile cpu-64: {file} has no winner yet; expected --profile cpu, and then this")
        recipe = resolve_config("s11", settings, data_dir).recipe.model_copy(update=results["cpu"]["winner"]["params"])
        entry = train_once(recipe, storage / "headline-cpu-64") | {"winner": results["cpu"]["winner"]}
    else:
        search = search_and_refit(chosen, changes, data_dir, storage)
        recipe = search.config.recipe
        entry = describe(search) | {"variants": compare(search, PROFILES[chosen].variants)}
        copy_pictures(write_report(search, commands=repeat_commands(search)).parent, out)
    images = ["--data-dir", "CIFAR10"] if recipe.dataset == "folder" else []
    entry["command"] = " ".join(["-m", "benchmarks.headline", "--profile", chosen, *images, *changes])
    results[chosen] = entry
    results["headline"] = shortest(next(results[kind] for kind in ("gpu", "cpu-64", "cpu") if results[kind]))
    write_results(results, out)


def search_and_refit(profile: str, changes: list[str], data_dir: Path | None, storage: Path) -> SearchResult:
    """Run a profile's search with changes, and the refit of its winner, by starting the program as users do."""
    name = f"headline-{profile}"
    arguments = ["--space", "s11", "--name", name, *PROFILES[profile].search, *changes]
    if SearchFolder(storage / name).manifest.exists():
        begun = load_search(name, storage).manifest["command"]
        if f" {shlex.join(arguments)} --" not in begun:
            raise InputError(f"{storage / name}: was started by {begun}; expected the same, or another --storage")
        arguments = ["--resume", name]
    elif data_dir:
        arguments += ["--data-dir", str(data_dir)]
    program = [sys.executable, str(ROOT / "run_search.py"), *arguments, "--storage", str(storage)]
    subprocess.run(program, check=True)
    return load_search(name, storage)


def compare(search: SearchResult, variants: dict[str, Variant]) -> dict[str, Any]:
    """Train each variant from scratch over its seeds and return the test accuracies."""
    if not variants:
        return {}
    measured = {}
    with connect(Resources()) as cluster:
        for name, variant in variants.items():
            print(name, flush=True)
            folder = search.path / "variants" / name.replace(" ", "-").replace("'", "").replace(",", "")
            context = Context(
                Local(folder.resolve(), LAYOUT), search.config, Executor(cluster.workers, "auto"), Console()
            )
            runs = refit_variant(context, recipe_of(search, variant), variant)
            measured[name] = {
                "test_accuracy": Summary.of([run.shipped for run in runs]).model_dump(),
                "test_accuracy_raw": Summary.of([run.raw for run in runs]).model_dump(),
            }
    return measured


def refit_variant(context: Context, recipe: Recipe, variant: Variant) -> list[RefitScores]:
    """Return the scores of a variant over its seeds, from an earlier run if it recorded all of them."""
    seed = context.config.search.seed
    folders = {each: RefitFolder(context.folder.path / f"seed-{each}") for each in range(seed, seed + variant.seeds)}
    found = [read_record_or_none(RefitScores, folder.scores) for folder in folders.values()]
    done = [scores for scores in found if scores is not None]
    if len(done) == len(folders):
        return done
    context.folder.path.mkdir(parents=True, exist_ok=True)
    dataset = load_dataset(context.config.recipe)
    divide = TrainingData.with_validation if variant.held_out else TrainingData.without_validation
    return refit(context, recipe, divide(dataset, recipe, seed), dataset.test, folders)


def recipe_of(search: SearchResult, variant: Variant) -> Recipe:
    """Return the complete recipe of a variant."""
    assert search.winner is not None
    recipe = search.winner.recipe
    if variant.suggestion:
        assert search.bounds is not None
        recipe = search.config.recipe.model_copy(update=search.bounds.first)
    return search.config.refit.applied_to(recipe).model_copy(update=variant.changes)


def shortest(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the headline of an entry: what was trained, and its test accuracy."""
    accuracy = entry["refit"]["test_accuracy"]
    return {
        "dataset": entry["refit"]["dataset"],
        "width": entry["refit"]["width"],
        "n": accuracy["n"],
        "test_accuracy_mean": accuracy["mean"],
        "test_accuracy_sd": accuracy["sd"],
    }


def copy_pictures(report: Path, out: Path) -> None:
    """Copy the report's pictures at a smaller size."""
    out.mkdir(parents=True, exist_ok=True)
    for name in PICTURES:
        if (report / f"{name}.png").exists():
            with Image.open(report / f"{name}.png") as picture:
                height = round(picture.height * PICTURE_WIDTH / picture.width)
                small = picture.convert("RGB").resize((PICTURE_WIDTH, height), Image.Resampling.LANCZOS)
                small.quantize(128).save(out / f"{name}.png", optimize=True)


if __name__ == "__main__":
    app = new_app("Measure the headline.")
    app.command()(headline)
    run(app, "benchmarks.headline")
