"""Test a refit for the headline, and describe it with its circumstances in plain values."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tune_s11.config import InputError, Recipe, completed
from tune_s11.data import Images, load_dataset
from tune_s11.hardware import choose_hardware
from tune_s11.report.tables import epoch_counts
from tune_s11.results import SearchFolder, SearchResult
from tune_s11.results.folder import RefitFolder
from tune_s11.results.manifest import build_manifest
from tune_s11.results.records import Summary
from tune_s11.storage.files import write_whole
from tune_s11.training.checkpoint import load_checkpoint
from tune_s11.training.fitting import fit
from tune_s11.training.trainer import Trainer, TrainingData

FolderOption = Annotated[Path, typer.Option("--storage", metavar="DIR", help="Folder of searches and checkpoints.")]


def describe(search: SearchResult) -> dict[str, Any]:
    """Describe the search, its winner and the winner's refits in plain values."""
    winner, metrics = search.winner, search.refit
    assert winner is not None
    assert metrics is not None
    recipe = search.config.refit.applied_to(winner.recipe)
    states, counts = [trial.state for trial in search.trials], epoch_counts(search.trials)
    return circumstances(search.manifest) | {
        "search": {
            "trials": {state: states.count(state) for state in sorted(set(states))},
            "width": winner.recipe.width,
            "train_images": winner.recipe.train_images or search.manifest["data"]["train_images"],
            "epochs_run": counts["run"],
            "epochs_without_pruning": counts["without_pruning"],
            "hours_of_training": sum(row.seconds for trial in search.trials for row in trial.rows) / 3600,
            "bounds": asdict(search.bounds) if search.bounds else None,
        },
        "winner": {"trial": winner.name, "params": winner.params, "validation_accuracy": winner.score},
        "refit": trained(recipe, search.manifest)
        | {
            "precision": metrics.runs[0].hardware.precision,
            "test_accuracy": metrics.test_accuracy.model_dump(),
            "test_accuracy_raw": metrics.test_accuracy_raw.model_dump(),
            "test_accuracy_flipped_too": flipped_too(search, recipe),
            "runs": [{key: getattr(run, key) for key in ("seed", "ema", "raw")} for run in metrics.runs],
        },
    }


def flipped_too(search: SearchResult, recipe: Recipe) -> dict[str, Any]:
    """Return the test accuracy of the refits' EMA weights with mirror images added; see :func:`accuracy`."""
    dataset = load_dataset(recipe)
    data = TrainingData.without_validation(dataset, recipe, search.config.search.seed)
    hardware = choose_hardware()
    hardware.activate()
    accuracies = []
    for folder in search.folder.refits():
        trainer = Trainer(recipe, data, hardware, seed=0)
        trainer.load_state_dict(load_checkpoint(folder.checkpoint))
        accuracies.append(accuracy(trainer, dataset.test, flipped_too=True))
    return Summary.of(accuracies).model_dump()


def train_once(recipe: Recipe, folder: Path) -> dict[str, Any]:
    """Train a recipe on all training images from seed 0, on all cores, and test it after the last epoch.

    Args:
        recipe: Recipe of the winner.
        folder: Folder for ``manifest.json`` and the run; a run with a checkpoint there resumes from it.

    Returns:
        Circumstances and accuracies in plain values.

    Raises:
        InputError: The folder holds the run of another recipe.
    """
    dataset, hardware, seed = load_dataset(recipe), choose_hardware(gpu=False), 0
    hardware.activate()
    manifest, asked = SearchFolder(folder).manifest, {"recipe": recipe.model_dump(mode="json")}
    if not manifest.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(manifest, json.dumps(build_manifest(dataset, seed) | asked, indent=2))
    begun = json.loads(manifest.read_text())
    if completed(Recipe, begun["recipe"]) != asked["recipe"]:
        raise InputError(f"{folder}: was started with another recipe; expected the same, or another --storage")
    trainer = Trainer(recipe, TrainingData.without_validation(dataset, recipe, seed), hardware, seed)
    of_seed = RefitFolder(folder / f"seed-{seed}")
    fit(trainer, of_seed, on_epoch=lambda metrics: print(f"epoch {metrics.epoch}", flush=True))
    run = {"seed": seed, "ema": accuracy(trainer, dataset.test), "raw": accuracy(trainer, dataset.test, raw=True)}
    return circumstances(begun) | {
        "refit": trained(recipe, begun)
        | {
            "precision": hardware.precision,
            "test_accuracy": Summary.of([run["ema"]]).model_dump(),
            "test_accuracy_raw": Summary.of([run["raw"]]).model_dump(),
            "test_accuracy_flipped_too": Summary.of([accuracy(trainer, dataset.test, flipped_too=True)]).model_dump(),
            "runs": [run],
        },
        "variants": {},
    }


def accuracy(trainer: Trainer, images: Images, *, raw: bool = False, flipped_too: bool = False) -> float:
    """Return the share of the images that a trainer's EMA weights classify correctly.

    Args:
        trainer: Trainer that has finished.
        images: Test images.
        raw: Whether to use the raw weights in place of the EMA weights.
        flipped_too: Whether to add the logits of an image and of its mirror image. This is the one test-time
            augmentation that is customary on CIFAR-10, and is not part of the headline.
    """
    pixels, labels = trainer.on_device(images)
    model = trainer.model if raw else trainer.average.model
    logits = trainer.predict(model, pixels)
    if flipped_too:
        logits = logits + trainer.predict(model, pixels.flip(2))
    return (logits.argmax(1) == labels).float().mean().item()


def circumstances(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the date, machine, packages and Python version of a run."""
    date = {"date": manifest["created"][:10]}
    return date | {key: manifest[key] for key in ("machine", "packages", "python")}


def trained(recipe: Recipe, manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what a refit is trained on, and for how long; an image folder is assumed to be CIFAR-10."""
    return {
        "dataset": "cifar10" if recipe.dataset == "folder" else recipe.dataset,
        "width": recipe.width,
        "train_images": recipe.train_images or manifest["data"]["train_images"],
        "epochs": recipe.epochs,
    }
