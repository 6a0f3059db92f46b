"""One trial without a search: ``python -m tune_s11.train --space quick --set max_lr=0.2``."""

import datetime
from functools import partial
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tune_s11.cli.app import new_app, run
from tune_s11.cli.arguments import check_name, refuse_beside, resolve_config
from tune_s11.cli.hints import shown_path
from tune_s11.cli.options import (
    RESULTS,
    DataDirOption,
    ModelOption,
    PrecisionOption,
    SeedOption,
    SetOption,
    SpaceOption,
    StorageOption,
    ThreadsOption,
)
from tune_s11.config import InputError
from tune_s11.data import load_dataset
from tune_s11.hardware import choose_hardware, why_no_gpu
from tune_s11.results import load_search
from tune_s11.results.folder import SingleRunFolder
from tune_s11.results.opening import begin, resume
from tune_s11.results.runs import Run, read_run
from tune_s11.storage.remote import Storage
from tune_s11.storage.workspace import Workspace
from tune_s11.text import say
from tune_s11.training.checkpoint import CheckpointError
from tune_s11.training.fitting import fit
from tune_s11.training.metrics import EpochMetrics
from tune_s11.training.trainer import Trainer, TrainingData

app = new_app("Train one trial, without Ray.")


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
    resume_name: Annotated[str | None, typer.Option("--resume", help="Resume the run of this name.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Of the run's folder (default: run- and the time).")
    ] = None,
    storage: StorageOption = RESULTS,
) -> None:
    """Trains one trial of a recipe on the GPU, else on the CPU, and validates after each epoch.

    The schedule is one cycle. --set schedule=plateau is the baseline, reduce on plateau (ReduceLROnPlateau), with
    plateau_patience and plateau_factor; --set schedule=triangular is the zigzag.
    """
    earlier = f"--resume {resume_name}" if resume_name is not None else f"--trial {trial}"
    if resume_name is not None:
        refuse_beside(context, earlier, "storage")
        workspace = _resumed(storage, check_name(resume_name))
        planned = read_run(SingleRunFolder(workspace.folder), earlier)
    else:
        if trial is not None:
            refuse_beside(context, earlier, "name", "storage")
        workspace = begin(storage, check_name(name or f"run-{datetime.datetime.now():%Y%m%d-%H%M%S}"))
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
    folder = SingleRunFolder(workspace.folder)
    if resume_name is None:
        planned.write(folder, dataset)

    console = Console(highlight=False)
    for note in dataset.notes:
        console.print(note, markup=False)
    try:
        with workspace.copying(partial(say, console)):
            _fit_with_progress(trainer, folder, console)
    except CheckpointError as error:
        raise InputError(f"--resume {resume_name}: {error}") from None
    say(console, f"run: {shown_path(folder.path)}", copied=True)


def _resumed(storage: Storage, name: str) -> Workspace:
    """The workspace of a run that is to be resumed."""
    try:
        return resume(storage, name, "run")
    except InputError as error:
        raise InputError(f"--resume {error}") from None


def _fit_with_progress(trainer: Trainer, folder: SingleRunFolder, console: Console) -> None:
    """Trains in the folder, with a bar and a line an epoch."""
    epochs = trainer.recipe.epochs
    columns = (TextColumn("epoch {task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=epochs * trainer.steps_per_epoch)

        def on_step() -> None:
            progress.update(task, advance=1, description=str(trainer.epoch + 1))

        def on_start() -> None:
            progress.update(task, completed=trainer.epoch * trainer.steps_per_epoch)

        trainer.on_step = on_step
        fit(trainer, folder, on_start, lambda metrics: say(console, epoch_line(metrics, epochs)))


def epoch_line(metrics: EpochMetrics, epochs: int) -> str:
    """One epoch in one line of text."""
    head = f"epoch {metrics.epoch:3d}/{epochs}  lr {metrics.lr:.4g}"
    if metrics.diverged:
        return f"{head}  diverged"
    averaged = "" if metrics.ema_val_accuracy is None else f", EMA weights {metrics.ema_val_accuracy:.4f}"
    return (
        f"{head}  train loss {metrics.train_loss:.3f} accuracy {metrics.train_accuracy:.4f}"
        f"  validation {metrics.val_accuracy:.4f}{averaged}"
        f"  {metrics.images_per_second:,.0f} images/s"
    )


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
