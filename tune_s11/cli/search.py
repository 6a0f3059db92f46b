"""The command line of a search: reads the options, runs the steps, sets the exit code."""

import datetime
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer
from rich.console import Console

from tune_s11.cli.arguments import refuse_other_options, resolve_config, typed_again
from tune_s11.cli.hints import program, recipe_options, repeat_commands, report_command, resume_command, shown_path
from tune_s11.cli.options import (
    RESULTS,
    DataDirOption,
    ModelOption,
    PrecisionOption,
    SeedOption,
    SetOption,
    SpaceOption,
    StorageOption,
    TargetLineOption,
    duration,
    inner_fraction,
    whole_number,
    whole_number_or_auto,
)
from tune_s11.config import InputError
from tune_s11.hardware import Compile
from tune_s11.results import SearchFolder
from tune_s11.search_space import NothingToSearchError
from tune_s11.text import printable

if TYPE_CHECKING:  # Ray and torch take seconds to import
    from tune_s11.api.search import OpenedSearch

Outcome = TypeVar("Outcome")

ALLOWED_WITH_RESUME = (
    "samples",
    "target",
    "data_dir",
    "gpus",
    "trials_per_gpu",
    "workers",
    "storage",
    "precision",
    "compiled",
    "address",
    "stall_timeout",
    "budget",
    "track",
    "dry_run",
    "no_report",
)
"""Options that can be combined with ``--resume``; a resumed search keeps its images, recipe, space and name. Its images
may have moved (``--data-dir``)."""

MACHINE_OPTIONS = ("gpus", "trials_per_gpu", "workers", "address", "precision", "compiled", "stall_timeout")
"""Options that the suggested command to resume repeats, because a resumed search may run on another machine."""


def search(
    context: typer.Context,
    space: SpaceOption = "s11",
    samples: Annotated[
        int | None, typer.Option("--samples", parser=whole_number(1), metavar="N", help="Number of trials.")
    ] = None,
    settings: SetOption = None,
    gpus: Annotated[
        int | None,
        typer.Option("--gpus", parser=whole_number(0), metavar="N", help="GPUs to use (default: all; 0: CPU)."),
    ] = None,
    trials_per_gpu: Annotated[
        Any,  # int | Literal["auto"]; typer does not allow a parser with a union
        typer.Option(
            "--trials-per-gpu",
            parser=whole_number_or_auto,
            metavar="N|auto",
            help="Trials that share a GPU (auto: the fastest, by steps timed here).",
        ),
    ] = 1,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            parser=whole_number(1),
            metavar="N",
            help="Trials at a time on CPUs (default: 2 per machine).",
        ),
    ] = None,
    data_dir: DataDirOption = None,
    model: ModelOption = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the results folder (default: space and time).")
    ] = None,
    storage: StorageOption = RESULTS,
    seed: SeedOption = None,
    precision: PrecisionOption = "auto",
    compiled: Annotated[
        Compile,
        typer.Option("--compile", help="Train through torch.compile (auto: on GPUs, where it saves time overall)."),
    ] = "auto",
    lr_bounds: Annotated[
        tuple[float, float] | None,
        typer.Option("--lr-bounds", metavar="LOW HIGH", help="Bounds of max_lr, in place of a range test."),
    ] = None,
    no_asha: Annotated[bool, typer.Option("--no-asha", help="Run every trial to its last epoch.")] = False,
    resume_name: Annotated[str | None, typer.Option("--resume", metavar="NAME", help="Resume this search.")] = None,
    warm_start: Annotated[
        str | None,
        typer.Option(
            "--warm-start", metavar="SEARCH", help="After the first trial, try the best trials of an earlier search."
        ),
    ] = None,
    address: Annotated[str | None, typer.Option("--address", help="A running Ray cluster: auto or HOST:PORT.")] = None,
    stall_timeout: Annotated[
        int | None,
        typer.Option(
            "--stall-timeout",
            parser=whole_number(1),
            metavar="SECONDS",
            help="Kill a worker silent for this long (default: 20 times the longest interval, at least 600 s; 4 hours "
            "before the first report).",
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            parser=duration,
            metavar="TIME",
            help="Finish within this time, such as 2h, report included.",
        ),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(
            "--target",
            parser=inner_fraction,
            metavar="ACCURACY",
            help="Find the fewest epochs that reach this validation accuracy; the refits train for that many.",
        ),
    ] = None,
    target_line: TargetLineOption = None,
    track: Annotated[
        Literal["wandb", "mlflow", "none"] | None,
        typer.Option(
            "--track", help="Also send trials and refits to this tracker (default: the one of a resumed search)."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only forecast what the search will cost.")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report at the end.")] = False,
) -> None:
    """Searches for the best recipe.

    The steps are LR range test, trials that Optuna proposes and ASHA prunes, finalists, refit of the winner, report.

    Trials train with one cycle. The baseline is --set schedule=plateau, reduce on plateau (ReduceLROnPlateau). It
    follows the validation images, so the refits train without them, as the trials do.
    """
    if dry_run and budget is not None:
        raise InputError("--budget: cannot be combined with --dry-run")
    console = Console(highlight=False)
    config = None  # a resumed search has its own
    if resume_name is not None:
        refuse_other_options(context, f"--resume {resume_name}", *ALLOWED_WITH_RESUME)
    else:
        config = resolve_config(space, settings, data_dir, model, seed, target_line)
        if no_asha:
            config = config.with_overrides({"search.scheduler": "none"})
    moved = data_dir if resume_name is not None else None  # a new search has it in its configuration
    given = {"search.samples": samples, "search.target": target, "data_dir": moved}
    changes = {key: value for key, value in given.items() if value is not None}
    with console.status("start"):  # Ray and torch take seconds to import
        from tune_s11.api.search import Search

        try:
            opened = Search(
                resume_name or name or f"{Path(space).stem}-{datetime.datetime.now():%Y%m%d-%H%M%S}",
                config,
                changes,
                lr_bounds=lr_bounds,
                warm_start=warm_start,
                storage=storage,
                resume=resume_name is not None,
                gpus=gpus,
                trials_per_gpu=trials_per_gpu,
                workers=workers,
                address=address,
                precision=precision,
                compiled=compiled,
                stall_timeout=stall_timeout,
                budget=budget,
                track=track,
            ).opened(console)
        except NothingToSearchError as error:
            options = recipe_options(space, settings, data_dir, model, seed)
            raise InputError(f"{error}; train the recipe once with: {program('train')} --test {options}") from None

    path = opened.path
    resume = resume_command(path) + typed_again(context, *MACHINE_OPTIONS)
    if dry_run:
        _in_one_line(opened, resume, opened.forecast)
        return
    result = _in_one_line(opened, resume, opened.run)
    say = opened.session.say
    if not no_report:
        from tune_s11.cli.outcome import target_lines  # imports torch

        with console.status("report"):
            index = _in_one_line(opened, resume, lambda: opened.write_report(result, repeat_commands(result)))
        for line in target_lines(json.loads(result.folder.report_numbers.read_text("utf-8"))):
            say(line)
        say(f"report: {shown_path(index)}", copied=True)
        _in_one_line(opened, resume, opened.workspace.finish)
    if sum(trial.state != "running" for trial in result.trials) < result.config.search.samples:
        say(f"to run the remaining trials: {resume}", copied=True)
    say(f"next: {report_command(path)}", copied=True)


def _in_one_line(opened: "OpenedSearch", resume: str, step: Callable[[], Outcome]) -> Outcome:
    """Run a step of the search and return its result; if it fails, print why and exit with the right code.

    Args:
        opened: The search.
        resume: The command that resumes it.
        step: The step.
    """
    from tune_s11.search.failures import SearchFailedError
    from tune_s11.search.interruption import SearchInterruptedError, exiting_at_once

    again = f"resume with: {resume}"
    try:
        with exiting_at_once(), opened.explained(again):
            return step()
    except SearchFailedError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(1)
    except SearchInterruptedError as interruption:
        written = SearchFolder(opened.path).space.exists()
        print("interrupted;", again if written else "nothing has been written yet", file=sys.stderr)
        sys.exit(interruption.exit_code)
