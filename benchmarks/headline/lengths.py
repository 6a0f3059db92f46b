"""Measure how short the training can be: test accuracy after 5 to 24 epochs, for several recipes.

    uv run python -m benchmarks.headline.lengths tune cycle --data-dir CIFAR10   # a search with 12 epochs a trial
    uv run python -m benchmarks.headline.lengths tune steps --data-dir CIFAR10   # the same under ReduceLROnPlateau
    uv run python -m benchmarks.headline.lengths record untuned --data-dir CIFAR10 --workers 2
    uv run python -m benchmarks.headline.lengths record suggested --data-dir CIFAR10 --workers 2 --epochs 24
    uv run python -m benchmarks.headline.lengths record cycle --data-dir CIFAR10 --workers 2
    uv run python -m benchmarks.headline.lengths record steps --data-dir CIFAR10 --workers 2
    uv run python -m benchmarks.headline.lengths record cycle --data-dir CIFAR10 --width 64 --all-images --epochs 6
    uv run python -m benchmarks.headline.compare_lengths --out docs

``CIFAR10`` is an image folder. The searches choose by validation and write their winners to ``recipes.json``, which
must be committed before anything is recorded; the test accuracy of their single refit is not used. A network has one
recipe of each kind, which is recorded at any width. ``suggested`` is the
untuned recipe at the rate that the range test of ``tune cycle`` suggests. All recipes have the same network, batch,
augmentation and seeds, and train on the same images: a tenth is held out, because ReduceLROnPlateau needs it. Each run
is one line of JSON; it is tested once, after its last epoch. The same command resumes where an interrupted one stopped,
and within a run from its checkpoint. Another network is given as ``--set model=MODULE:FUNCTION``.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import torch
import typer

from benchmarks.headline.refits import FolderOption, accuracy
from benchmarks.race.problems import Inputs
from benchmarks.race.trial import processor_kind
from benchmarks.tools.processes import Worker, missing_tasks, run_all
from tune_s11.cli.app import new_app, run
from tune_s11.cli.arguments import resolve_config
from tune_s11.cli.options import RESULTS, DataDirOption, SetOption, whole_number
from tune_s11.config import InputError, Recipe
from tune_s11.data import load_dataset
from tune_s11.hardware import Hardware, choose_hardware
from tune_s11.results import SearchResult, load_search
from tune_s11.storage.files import read_json, write_whole
from tune_s11.training.fitting import fit
from tune_s11.training.metrics import RunFolder
from tune_s11.training.trainer import Trainer, TrainingData

ROOT = Path(__file__).parents[2]
RECORDINGS = Path(__file__).parent / "recordings"
LENGTHS = (5, 6, 9, 12, 16, 24)
"""Epochs of the trainings."""

TUNED_AT = 12
"""Epochs of the trials of both searches."""

STEPS = {"schedule": "plateau", "min_lr_fraction": 1e-4}
"""Fields for ReduceLROnPlateau, which divides the learning rate by ten at a time; its floor must not bind early."""

SEARCHES: dict[str, tuple[str, ...]] = {
    "cycle": (),
    "steps": (
        *(part for name, value in STEPS.items() for part in ("--set", f"{name}={value}")),
        *("--lr-bounds", "0.01", "1"),  # the range test trains cycles
    ),
}
"""Further options of each search; both have as many trials of as many epochs."""

Kind = Literal["untuned", "suggested", "cycle", "steps"]


class Task(NamedTuple):
    """One run: a training of ``epochs`` epochs from a seed."""

    epochs: int
    seed: int


@dataclass(frozen=True)
class Run:
    """Training and test of one task, in a worker process. The task's folder is deleted once its line is complete."""

    folder: Path

    def __call__(self, inputs: Inputs, hardware: Hardware, task: Task) -> dict[str, Any]:
        """Train and test one task.

        Returns:
            ``epochs`` and ``seed``; ``test`` and ``raw``: test accuracies of EMA and raw weights; ``validation``: EMA
            accuracies on the held-out images after each epoch; ``steps``; ``seconds``: wall time of the epochs.
        """
        folder = RunFolder(self.folder / f"{task.epochs}-epochs" / f"seed-{task.seed}")
        trainer = Trainer(inputs.recipe.resized(task.epochs), inputs.data, hardware, task.seed)
        rows = fit(trainer, folder)
        line = {
            **task._asdict(),
            "test": accuracy(trainer, inputs.held_out),
            "raw": accuracy(trainer, inputs.held_out, raw=True),
            "validation": [row.ema_val_accuracy for row in rows],
            "steps": trainer.epoch * trainer.steps_per_epoch,
            "seconds": round(sum(row.seconds for row in rows), 1),
        }
        shutil.rmtree(folder.path)
        return line


def processor(hardware: Hardware) -> str:
    """Return the GPU's name, or the kind of processor; runs are compared within one."""
    return torch.cuda.get_device_name() if hardware.device == "cuda" else processor_kind()


def name_of(kind: str, model: str) -> str:
    """Return the name of a recipe in ``recipes.json``: its kind and network, e.g. ``cycle-s11``."""
    return f"{kind}-{model.rpartition(':')[2]}"


def recording_of(name: str, width: int, *, all_images: bool) -> str:
    """Return the name of a recipe's recording, e.g. ``cycle-s11-16``, or ``cycle-s11-64-all`` with no images held out.

    Args:
        name: The recipe's :func:`name_of`.
        width: Width of the network.
        all_images: Whether no images are held out.
    """
    return f"{name}-{width}" + ("-all" if all_images else "")


def range_test_epochs(search: SearchResult) -> int:
    """Return the epochs of a search's range test; 0 if it had none."""
    cycles = (read_json(search.folder.range_test) or {}).get("cycles", [])
    return sum(int(cycle["trained"]) for cycle in cycles)


def epochs_of(search: SearchResult) -> int:
    """Return the epochs that a search has trained before its refits."""
    verdict = search.finalists
    again = sum(len(row.scores) for row in verdict.trials.values()) if verdict else 0
    return range_test_epochs(search) + search.trained + again * search.config.recipe.epochs


def read_recipes(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the recipes that the searches found, by :func:`name_of`."""
    file = folder / "recipes.json"
    found: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file.exists() else {}
    return found


def recipe_of(kind: Kind, recipe: Recipe, folder: Path) -> Recipe:
    """Return the recipe of a kind: the given one if untuned, else with the fields found for its network.

    Raises:
        InputError: That search has not been run.
    """
    if kind == "untuned":
        return recipe
    name = name_of(kind, recipe.model)
    found = read_recipes(folder).get(name)
    if found is None:
        command = "tune steps" if kind == "steps" else "tune cycle"
        raise InputError(f"{kind}: {folder / 'recipes.json'} has no {name} yet; expected {command}, and then this")
    return recipe.model_copy(update=found["fields"])


app = new_app("Measure how short the training can be.")

RecordingsOption = Annotated[Path, typer.Option("--recordings", help="Folder of recipes.json and the rows.")]
WidthOption = Annotated[int, typer.Option("--width", parser=whole_number(1), metavar="N", help="Network width.")]
AllImagesOption = Annotated[bool, typer.Option("--all-images", help="Hold out no images; not for steps.")]


@app.command()
def tune(
    kind: Annotated[Literal["cycle", "steps"], typer.Argument(metavar="KIND", help="cycle or steps.")],
    data_dir: DataDirOption = None,
    width: WidthOption = 16,
    samples: Annotated[int, typer.Option("--samples", parser=whole_number(1), metavar="N", help="Trials.")] = 16,
    settings: SetOption = None,
    storage: FolderOption = RESULTS,
    recordings: RecordingsOption = RECORDINGS,
) -> None:
    """Search for a recipe, and write the winner to recipes.json. An interrupted search is resumed."""
    recordings.mkdir(parents=True, exist_ok=True)  # now, so that nothing fails after the search
    fixed = (f"width={width}", f"epochs={TUNED_AT}", f"peak_epoch={TUNED_AT * 5 / 24}", "search.refit_seeds=1")
    changes = [*fixed, *(settings or ())]
    recipe = resolve_config("s11", changes, data_dir).recipe
    name = f"lengths-{name_of(kind, recipe.model)}-{width}"
    if (storage / name).exists():
        arguments = ["--resume", name]
    else:
        arguments = ["--space", "s11", "--name", name, "--samples", str(samples), *SEARCHES[kind]]
        arguments += [part for change in changes for part in ("--set", change)]
        arguments += ["--data-dir", str(data_dir)] if data_dir else []
    program = [sys.executable, str(ROOT / "run_search.py"), *arguments, "--storage", str(storage), "--no-report"]
    subprocess.run(program, check=True)
    search = load_search(name, storage)
    assert search.winner is not None
    fields = search.winner.params | (STEPS if kind == "steps" else {})
    searched = {"width": width, "trials": len(search.trials), "epochs": epochs_of(search)}
    found = {name_of(kind, recipe.model): {"fields": fields} | searched}
    if kind == "cycle":
        tested = {"width": width, "trials": 0, "epochs": range_test_epochs(search)}
        found[name_of("suggested", recipe.model)] = {"fields": search.trials[0].params} | tested
    file = recordings / "recipes.json"
    write_whole(file, json.dumps(read_recipes(recordings) | found, indent=1) + "\n")
    for each, entry in found.items():
        print(f"{file}: {each} is {entry['fields']}")


@app.command()
def record(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="untuned, suggested, cycle or steps.")],
    data_dir: DataDirOption = None,
    width: WidthOption = 16,
    seeds: Annotated[int, typer.Option("--seeds", parser=whole_number(1), metavar="N", help="Seeds 0 to N-1.")] = 5,
    lengths: Annotated[
        list[int] | None, typer.Option("--epochs", parser=whole_number(1), metavar="N", help="Lengths; repeatable.")
    ] = None,
    all_images: AllImagesOption = False,
    workers: Annotated[int, typer.Option("--workers", parser=whole_number(1), metavar="N", help="Processes.")] = 1,
    settings: SetOption = None,
    storage: FolderOption = RESULTS,
    recordings: RecordingsOption = RECORDINGS,
) -> None:
    """Train and test a recipe at each length, except for the runs that its file already holds."""
    if kind == "steps" and all_images:
        raise InputError("--all-images: must not be given for steps, which watch the held-out images")
    fixed = (f"width={width}", *(settings or ()))
    recipe = recipe_of(kind, resolve_config("s11", list(fixed), data_dir).recipe, recordings)
    dataset = load_dataset(recipe)
    divide = TrainingData.without_validation if all_images else TrainingData.with_validation
    inputs = Inputs(recipe, divide(dataset, recipe, 0), dataset.test)
    hardware = choose_hardware(threads=None if workers == 1 else 1)
    name = recording_of(name_of(kind, recipe.model), width, all_images=all_images)
    of = {
        "recipe": recipe.model_dump(mode="json", exclude={"data_dir"}),
        "images": len(inputs.data.train),
        "fingerprint": dataset.fingerprint,
        "hardware": hardware.model_dump(exclude={"threads"}, exclude_defaults=True),
        "processor": processor(hardware),
    }
    tasks = [Task(epochs, seed) for seed in range(seeds) for epochs in lengths or LENGTHS]
    path = recordings / f"{name}.jsonl"
    missing = missing_tasks(path, of, dataset, tasks, lambda line: Task(line["epochs"], line["seed"]))
    # The folder of the checkpoints is named by what is recorded, so no other recipe can resume them.
    digest = hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:12]
    worker = Worker(inputs, hardware, Run(storage.resolve() / f"runs-{name}-{digest}"))
    begun = time.monotonic()
    run_all(worker, missing, path, workers, lambda line: f"{line['epochs']} epochs  {line['test']:.4f}")
    print(f"{path}: {len(missing)} runs in {(time.monotonic() - begun) / 60:.0f} min")


if __name__ == "__main__":
    run(app, "benchmarks.headline.lengths")
