"""Trains one run without a search: ``python -m tune_s11.train --space quick --set max_lr=0.2``."""

import datetime
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tune_s11.cli.app import new_app, run
from tune_s11.cli.arguments import refuse_other_options, refuse_unused, resolve_config
from tune_s11.cli.hints import (
    program,
    recipe_options,
    report_command,
    report_commands,
    resume_command,
    shown_path,
)
from tune_s11.cli.options import (
    RESULTS,
    DataDirOption,
    ModelOption,
    PrecisionOption,
    SeedOption,
    SpaceOption,
    StorageOption,
    TargetLineOption,
    ThreadsOption,
    set_option,
)
from tune_s11.cli.outcome import run_lines
from tune_s11.config import InputError
from tune_s11.hardware import Hardware, choose_hardware, why_no_gpu
from tune_s11.results import load_search
from tune_s11.results.folder import SingleRunFolder
from tune_s11.results.manifest import check_same_images
from tune_s11.results.opening import begin, check_name, resume
from tune_s11.results.runs import Run, RunOptions, RunResult, load_run
from tune_s11.results.tested_epochs import EpochTestMetrics
from tune_s11.search_space import RANGE_TEST, SearchConfig
from tune_s11.storage.remote import Storage
from tune_s11.storage.workspace import Workspace
from tune_s11.text import say
from tune_s11.training.metrics import EpochMetrics

if TYPE_CHECKING:  # torch takes seconds to import, and neither --help nor shell completion needs it
    from tune_s11.data import Images
    from tune_s11.training.trainer import Trainer

app = new_app("Train one recipe once, without Ray.")


@app.command()
def train(
    context: typer.Context,
    space: SpaceOption = "s11",
    settings: Annotated[
        list[str] | None, set_option("a field of the recipe, search.seed or search.target_line")
    ] = None,
    data_dir: DataDirOption = None,
    model: ModelOption = None,
    seed: SeedOption = None,
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = None,
    trial: Annotated[
        str | None, typer.Option("--trial", help="Repeat a trial: SEARCH/TRIAL, such as quick/t0007.")
    ] = None,
    resume_name: Annotated[str | None, typer.Option("--resume", help="Resume the run with this name.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the run folder (default: run- and the time).")
    ] = None,
    storage: StorageOption = RESULTS,
    test: Annotated[
        bool,
        typer.Option(
            "--test", help="Train on all training images, test after each epoch, and write the report at the end."
        ),
    ] = False,
    target_line: TargetLineOption = None,
) -> None:
    """Trains one recipe once.

    It uses the GPU if there is one. After each epoch it validates, or tests if --test is given.

    The schedule is one cycle. --set schedule=plateau is the baseline, reduce on plateau (ReduceLROnPlateau), with
    plateau_patience and plateau_factor; with --test it follows the training loss, as no image is held out.
    --set schedule=triangular is the zigzag.
    """
    import torch

    from tune_s11.data import load_dataset
    from tune_s11.training.checkpoint import CheckpointError
    from tune_s11.training.trainer import Trainer, TrainingData, try_out

    console, notes = Console(highlight=False), list[str]()
    how_to_find: str | None = None
    manifest: dict[str, Any] | None = None
    tell = partial(say, console)
    earlier = f"--resume {resume_name}" if resume_name is not None else f"--trial {trial}"
    if resume_name is not None:
        refuse_other_options(context, earlier, "storage")
        workspace = _resumed(storage, check_name(resume_name, "--resume"))
        before = load_run(workspace.folder, earlier)
        planned, manifest = before.run, before.manifest
    else:
        if trial is not None:
            refuse_other_options(context, earlier, "name", "storage", "test", "target_line")
        workspace = begin(storage, check_name(name or f"run-{datetime.datetime.now():%Y%m%d-%H%M%S}"))
        if trial is not None:
            planned, manifest = _run_of_trial(trial, storage, test, target_line)
        else:
            refuse_unused(settings, "a single run", "search.seed", "search.target_line")
            config = resolve_config(space, settings, data_dir, model, seed, target_line)
            planned = _run_of_recipe(config, choose_hardware(precision, threads), test)
            if "max_lr" in config.space:
                how_to_find = _own_rates(config, recipe_options(space, settings, data_dir, model, seed))

    if planned.hardware.device == "cuda" and not torch.cuda.is_available():
        raise InputError(f"{earlier}: ran on a GPU, and {why_no_gpu()}; expected a machine that has one")
    planned.hardware.activate()
    dataset = load_dataset(planned.recipe)
    if manifest is not None:
        check_same_images(earlier, dataset, manifest)
    divide = TrainingData.without_validation if planned.options.test else TrainingData.with_validation
    data = divide(dataset, planned.recipe, planned.split_seed)
    try_out(planned.recipe, data)
    trainer = Trainer(planned.recipe, data, planned.hardware, planned.seed)
    folder = SingleRunFolder(workspace.folder)
    if resume_name is None:
        planned.write(folder, dataset)

    if planned.options.test:
        notes.append(
            f"trains on all {len(data.train):,} training images and is tested on {len(dataset.test):,} images after "
            "each epoch; nothing is chosen by these tests"
        )
        if planned.recipe.schedule == "plateau":
            notes.append("schedule plateau follows the training loss: no image is held out for validation")
    if how_to_find is not None:
        tell(how_to_find, copied=True)
    for note in (*notes, *dataset.notes):
        tell(note)
    tell(f"run: {shown_path(folder.path)}", copied=True)
    try:
        with workspace.copying(tell):
            _fit_with_progress(trainer, folder, dataset.test if planned.options.test else None, console)
    except CheckpointError as error:
        raise InputError(f"--resume {resume_name}: {error}") from None
    except KeyboardInterrupt:
        print("interrupted; resume with:", resume_command(folder.path), file=sys.stderr)
        sys.exit(130)
    _finish(load_run(folder.path, folder.path.name), tell)
    workspace.finish()


def _resumed(storage: Storage, name: str) -> Workspace:
    """Return the workspace of a run to resume."""
    try:
        return resume(storage, name, "run")
    except InputError as error:
        raise InputError(f"--resume {error}") from None


def _own_rates(config: SearchConfig, options: str) -> str:
    """Return a line on ``max_lr``, and perhaps ``min_lr_fraction``, of a run whose space leaves them to a search."""
    line = f"max_lr {config.recipe.max_lr:g} is the recipe's own value"
    if config.space["max_lr"] != RANGE_TEST:
        return f"{line}: the space searches it; set it with: --set max_lr=LR"
    if config.space.get("min_lr_fraction") == RANGE_TEST:
        line += f", as is min_lr_fraction {config.recipe.min_lr_fraction:g}"
    line += ": the space leaves this to the LR range test, which a single run skips; "
    return f"{line}find rates with: {program('lr')} {options}, and set them with, for example: --set max_lr=LR"


def _finish(result: RunResult, tell: Callable[..., None]) -> None:
    """Print how the run ended, and write its report if it was tested."""
    for line in run_lines(result):
        tell(line)
    if result.run.options.test:
        from tune_s11.report import write_report

        tell(f"report: {shown_path(write_report(result, commands=report_commands(result)))}", copied=True)
    tell(f"next: {report_command(result.path)}", copied=True)


def _fit_with_progress(trainer: "Trainer", folder: SingleRunFolder, test: "Images | None", console: Console) -> None:
    """Train in the folder, with a progress bar and one line per epoch; if there are test images, also test."""
    from tune_s11.results.tested_training import fit_and_test
    from tune_s11.training.fitting import fit

    epochs = trainer.recipe.epochs
    columns = (TextColumn("epoch {task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=epochs * trainer.steps_per_epoch)

        def on_step() -> None:
            progress.update(task, advance=1, description=str(trainer.epoch + 1))

        def on_start() -> None:
            progress.update(task, completed=trainer.epoch * trainer.steps_per_epoch)

        def on_epoch(metrics: EpochMetrics, tested: EpochTestMetrics | None = None) -> None:
            say(console, epoch_line(metrics, epochs, tested))

        trainer.on_step = on_step
        if test is None:
            fit(trainer, folder, on_start, on_epoch)
        else:
            fit_and_test(trainer, test, folder, on_start=on_start, on_epoch=on_epoch)


def epoch_line(metrics: EpochMetrics, epochs: int, tested: EpochTestMetrics | None = None) -> str:
    """Format an epoch as one line of text, with test metrics if it was tested instead of validated."""
    head = f"epoch {metrics.epoch:3d}/{epochs}  lr {metrics.lr:.4g}"
    if metrics.diverged:
        return f"{head}  diverged"
    images, raw, ema = "validation", metrics.val_accuracy, metrics.ema_val_accuracy
    if tested is not None:
        images, raw, ema = "test", tested.test_accuracy, tested.ema_test_accuracy
    averaged = "" if ema is None else f", EMA weights {ema:.4f}"
    return (
        f"{head}  train loss {metrics.train_loss:.3f} accuracy {metrics.train_accuracy:.4f}"
        f"  {images} {raw:.4f}{averaged}"
        f"  {metrics.images_per_second:,.0f} images/s"
    )


def _run_of_recipe(config: SearchConfig, hardware: Hardware, test: bool) -> Run:
    """Return the run that trains the recipe of a space file unchanged."""
    options, seed = RunOptions(test=test, target_line=config.search.target_line), config.search.seed
    return Run(config.recipe, seed, seed, hardware, options)


def _run_of_trial(trial: str, storage: Storage, test: bool, target_line: float | None) -> tuple[Run, dict[str, Any]]:
    """Return the run that repeats a trial, and the manifest of its search; ``test`` trains on all training images."""
    search_name, slash, trial_name = trial.rstrip("/").rpartition("/")
    if not slash:
        raise InputError(f"--trial {trial}: expected SEARCH/TRIAL, such as quick/t0007")
    search = load_search(search_name, storage)
    found = {found.name: found for found in search.trials}.get(trial_name)
    if found is None:
        has = f"t0000 to t{len(search.trials) - 1:04d}" if search.trials else "none yet"
        raise InputError(f"--trial {trial}: {search.path} has no such trial; it has {has}")
    if found.hardware is None:
        raise InputError(f"--trial {trial}: the trial has reported nothing yet")
    target = search.config.search.target_line if target_line is None else target_line
    options = RunOptions(test=test, target_line=target)
    if "data" not in search.manifest:
        raise InputError(f"--trial {trial}: {search.folder.manifest} is missing or damaged; it must name the images")
    return Run(found.recipe, found.seed, search.config.search.seed, found.hardware, options), search.manifest


def main() -> None:
    """Run the command line of ``python -m tune_s11.train``."""
    run(app, "python -m tune_s11.train")
