"""One trial without a search: ``python -m tune_s11.train --space quick --set max_lr=0.2``.

A run's folder holds ``run.json`` (recipe, seeds, hardware, circumstances), ``metrics.jsonl`` (a line
an epoch) and ``checkpoint.pt`` (the last epoch).
"""

import datetime
import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tune_s11.checkpoint import CheckpointError, load_checkpoint, save_checkpoint, write_whole
from tune_s11.config import InputError, Recipe, validated
from tune_s11.console import (
    RESULTS,
    DataDirOption,
    ModelOption,
    PrecisionOption,
    SeedOption,
    SetOption,
    SpaceOption,
    StorageOption,
    ThreadsOption,
    check_name,
    new_app,
    refuse_beside,
    resolve_config,
    run,
    say,
)
from tune_s11.data import load_dataset
from tune_s11.hardware import Hardware, choose_hardware, why_no_gpu
from tune_s11.manifest import build_manifest, check_schema
from tune_s11.mirror import begin, take_up
from tune_s11.results import load_search, read_rows
from tune_s11.storage import Storage
from tune_s11.trainer import EpochMetrics, Trainer, TrainingData

CHECKPOINT_SECONDS = 10.0
"""Least time between two checkpoints of a run: on a GPU a checkpoint takes as long as an epoch."""

app = new_app("Train one trial, without Ray.")


@dataclass(frozen=True)
class Run:
    """What determines a single run, bit for bit on a CPU."""

    recipe: Recipe
    seed: int
    split_seed: int
    hardware: Hardware


@app.command()
def train(
    context: typer.Context,
    space: SpaceOption = "s11",
    settings: SetOption = None,
    data_dir: DataDirOption = None,
    model: ModelOption = None,
    seed: SeedOption = None,
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    trial: Annotated[
        str | None, typer.Option("--trial", help="Repeat a trial: SEARCH/TRIAL, such as quick/t0007.")
    ] = None,
    resume: Annotated[str | None, typer.Option("--resume", help="Go on with the run of this name.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the run's folder (default: run- and the time).")
    ] = None,
    storage: StorageOption = RESULTS,
) -> None:
    """Trains one trial of a recipe on the GPU, else on the CPU, and validates after each epoch."""
    earlier = f"--resume {resume}" if resume is not None else f"--trial {trial}"
    if resume is not None:
        refuse_beside(context, earlier, "storage")
        folder, mirror = take_up(storage, check_name(resume))
        planned = _read_run(folder, earlier)
    else:
        if trial is not None:
            refuse_beside(context, earlier, "name", "storage")
        name = check_name(name or f"run-{datetime.datetime.now():%Y%m%d-%H%M%S}")
        folder, mirror = begin(storage, name)
        if trial is not None:
            planned = _run_of_trial(trial, storage)
        else:
            config = resolve_config(space, settings, data_dir, model, seed)
            hardware = choose_hardware(precision, threads)
            planned = Run(config.recipe, config.search.seed, config.search.seed, hardware)

    if planned.hardware.device == "cuda" and not torch.cuda.is_available():
        raise InputError(f"{earlier}: ran on a GPU, and {why_no_gpu()}; allowed is a machine that has one")
    planned.hardware.activate()
    dataset = load_dataset(planned.recipe)
    data = TrainingData.to_choose(dataset, planned.recipe, planned.split_seed)
    trainer = Trainer(planned.recipe, data, planned.hardware, planned.seed)
    if resume is None:
        record = asdict(planned) | {
            "recipe": planned.recipe.model_dump(mode="json"),
            "hardware": planned.hardware.model_dump(),
            "manifest": build_manifest(dataset, planned.seed),
        }
        folder.mkdir(parents=True)
        write_whole(folder / "run.json", json.dumps(record, indent=2))

    console = Console(highlight=False)
    for note in dataset.notes:
        console.print(note, markup=False)
    columns = (TextColumn("epoch {task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=trainer.recipe.epochs * trainer.steps_per_epoch)

        def on_step() -> None:
            progress.update(task, advance=1, description=str(trainer.epoch + 1))

        def on_start() -> None:
            progress.update(task, completed=trainer.epoch * trainer.steps_per_epoch)

        trainer.on_step = on_step
        copying = nullcontext() if mirror is None else mirror.copying(partial(say, console))
        try:
            with copying:
                fit(
                    trainer, folder, on_start, lambda metrics: console.print(epoch_line(metrics, trainer.recipe.epochs))
                )
        except CheckpointError as error:
            raise InputError(f"--resume {resume}: {error}") from None
    console.print(f"run: {folder}", markup=False, soft_wrap=True)


def fit(
    trainer: Trainer,
    folder: Path,
    on_start: Callable[[], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> list[dict[str, Any]]:
    """Trains to the end in a folder: a line an epoch in ``metrics.jsonl``, and ``checkpoint.pt`` now and then.

    Goes on from the folder's checkpoint where it has one.

    Args:
        trainer: Fresh.
        folder: Made where it is missing.
        on_start: Called once the trainer is where it goes on from.
        on_epoch: Called after each epoch.

    Returns:
        All rows of ``metrics.jsonl``. The file may for a while have those of a worker whose node was cut off, and
        which knows nothing of this one.

    Raises:
        CheckpointError: The folder's checkpoint cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, log = folder / "checkpoint.pt", folder / "metrics.jsonl"
    if checkpoint.exists():
        trainer.load_state_dict(load_checkpoint(checkpoint, trainer.hardware.device))
    rows = [row for row in read_rows(log) if row["epoch"] <= trainer.epoch]
    if on_start:
        on_start()
    saved = time.monotonic()
    for metrics in trainer:
        rows.append(asdict(metrics))
        write_whole(log, "".join(json.dumps(row) + "\n" for row in rows))
        if trainer.epoch == trainer.recipe.epochs or time.monotonic() - saved >= CHECKPOINT_SECONDS:
            save_checkpoint(checkpoint, trainer.state_dict())
            saved = time.monotonic()
        if on_epoch:
            on_epoch(metrics)
    return rows


def epoch_line(metrics: EpochMetrics, epochs: int) -> str:
    """One epoch in one line of text."""
    head = f"epoch {metrics.epoch:3d}/{epochs}  lr {metrics.lr:.4g}"
    if metrics.diverged:
        return f"{head}  diverged"
    return (
        f"{head}  train loss {metrics.train_loss:.3f} accuracy {metrics.train_accuracy:.4f}"
        f"  validation {metrics.val_accuracy:.4f}, averaged weights {metrics.ema_val_accuracy:.4f}"
        f"  {metrics.images_per_second:,.0f} images/s"
    )


def _read_run(folder: Path, where: str) -> Run:
    """The run that a folder records."""
    try:
        record: dict[str, Any] = json.loads((folder / "run.json").read_text())
        check_schema(record["manifest"], f"{where}: {folder / 'run.json'}")
        return Run(
            validated(Recipe, record["recipe"], f"{where}: ", strict=True),
            record["seed"],
            record["split_seed"],
            validated(Hardware, record["hardware"], f"{where}: ", strict=True),
        )
    except (OSError, ValueError, KeyError):
        raise InputError(f"{where}: {folder} holds no run to go on with") from None


def _run_of_trial(trial: str, storage: Storage) -> Run:
    """The run that repeats a trial of a search."""
    search_name, slash, trial_name = trial.rstrip("/").rpartition("/")
    if not slash:
        raise InputError(f"--trial {trial}: allowed is SEARCH/TRIAL, such as quick/t0007")
    search = load_search(search_name, storage)
    found = {found.name: found for found in search.trials}.get(trial_name)
    if found is None:
        raise InputError(
            f"--trial {trial}: {search.path} has no such trial; it has t0000 to t{len(search.trials) - 1:04d}"
        )
    if found.hardware is None:
        raise InputError(f"--trial {trial}: the trial has reported nothing yet")
    return Run(found.recipe, found.seed, search.config.search.seed, found.hardware)


def main() -> None:
    """Entry point."""
    run(app, "python -m tune_s11.train")


if __name__ == "__main__":
    main()
