"""The command line of a search: reads the options, orders the steps, sets the exit code."""

import datetime
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from tune_s11.cli.arguments import check_name, refuse_beside, resolve_config
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
    span_of_time,
    whole_number,
    whole_number_or_auto,
)
from tune_s11.config import InputError, Recipe
from tune_s11.hardware import Compile
from tune_s11.results import SearchFolder, load_search
from tune_s11.results.opening import begin, resume
from tune_s11.search_space import RANGE_TEST, NothingToSearchError, SearchConfig
from tune_s11.storage.disk import disk_trouble
from tune_s11.storage.remote import Storage
from tune_s11.storage.workspace import Workspace
from tune_s11.text import printable
from tune_s11.tracking.record import tracker_of
from tune_s11.tracking.trackers import tracker_name

BESIDE_RESUME = (
    *("samples", "gpus", "trials_per_gpu", "workers", "storage", "precision", "compiled", "address", "stall_timeout"),
    *("budget", "track", "dry_run", "no_report"),
)
"""What may be said beside ``--resume``: a search keeps its recipe, space and name."""


def search(
    context: typer.Context,
    space: SpaceOption = "s11",
    samples: Annotated[
        int | None, typer.Option("--samples", parser=whole_number(1), metavar="N", help="Trials.")
    ] = None,
    settings: SetOption = None,
    gpus: Annotated[
        int | None,
        typer.Option(
            "--gpus", parser=whole_number(0), metavar="N", help="At most so many GPUs (default: all; 0: CPU)."
        ),
    ] = None,
    trials_per_gpu: Annotated[
        Any,  # int | None; typer takes no parser with a union
        typer.Option(
            "--trials-per-gpu",
            parser=whole_number_or_auto,
            metavar="N|auto",
            help="Trials that share a GPU (auto: as many as get most done, which steps timed here tell).",
        ),
    ] = 1,
    workers: Annotated[
        int | None,
        typer.Option("--workers", parser=whole_number(1), metavar="N", help="Trials at a time on CPUs (default: 2)."),
    ] = None,
    data_dir: DataDirOption = None,
    model: ModelOption = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the results folder (default: space and time).")] = None,
    storage: StorageOption = RESULTS,
    seed: SeedOption = None,
    precision: PrecisionOption = "auto",
    compiled: Annotated[
        Compile,
        typer.Option("--compile", help="Train through torch.compile (auto: on GPUs, where it pays within the search)."),
    ] = "auto",
    lr_bounds: Annotated[
        tuple[float, float] | None, typer.Option("--lr-bounds", metavar="LOW HIGH", help="LRMAX bounds; no range test.")
    ] = None,
    no_asha: Annotated[bool, typer.Option("--no-asha", help="Run every trial to its end.")] = False,
    resume_name: Annotated[str | None, typer.Option("--resume", metavar="NAME", help="Resume this search.")] = None,
    warm_start: Annotated[
        str | None, typer.Option("--warm-start", metavar="SEARCH", help="Try first what was best in an earlier search.")
    ] = None,
    address: Annotated[str | None, typer.Option("--address", help="A running Ray cluster: auto or HOST:PORT.")] = None,
    stall_timeout: Annotated[
        int | None,
        typer.Option(
            "--stall-timeout",
            parser=whole_number(1),
            metavar="SECONDS",
            help="Kill a worker that reports nothing for so long (default: 20 times the longest report, from 600).",
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option("--budget", parser=span_of_time, metavar="TIME", help="End in time, such as 2h, report included."),
    ] = None,
    target_line: TargetLineOption = None,
    track: Annotated[
        Literal["wandb", "mlflow", "none"] | None,
        typer.Option("--track", help="Send trials and refits there, too (default: where a resumed search sent them)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what the search will cost.")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report at the end.")] = False,
) -> None:
    """Searches: LR range test, trials that Optuna proposes and ASHA prunes, refit of the best, report.

    Trials train with one cycle. --set schedule=plateau is the baseline, reduce on plateau (ReduceLROnPlateau): it
    follows the validation images, so the refits, too, train without them.
    """
    if dry_run and budget is not None:
        raise InputError("--budget: a --dry-run has none; allowed is one of the two")
    if address is None and "RAY_ADDRESS" not in os.environ:
        # A Ray that is started here shall listen on loopback only; it reads this when imported.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    console = Console(highlight=False)
    with console.status("start"):  # Ray and torch take seconds to import
        from tune_s11.search import Resources, SearchFailedError, SearchInterruptedError, Session

    earlier = _best_of(warm_start, storage) if warm_start is not None else ()
    if resume_name is not None:
        refuse_beside(context, f"--resume {resume_name}", *BESIDE_RESUME)
        workspace, config = _resumed(storage, resume_name, samples)
    else:
        config = resolve_config(space, settings, data_dir, model, seed, target_line)
        if no_asha:
            config = config.with_overrides({"search.scheduler": "none"})
        if lr_bounds is not None:
            config = _with_lr_bounds(config, *lr_bounds)
        name = check_name(name or f"{Path(space).stem}-{datetime.datetime.now():%Y%m%d-%H%M%S}")
        workspace = begin(storage, name)
        if "working_dir_files" in workspace.folder.parts:  # where Ray unpacks what `ray job submit --working-dir` sends
            raise InputError(
                f"--storage {storage}: lies in this Ray job's temporary copy of the working directory; "
                "allowed is an absolute path, such as a network mount that all nodes share"
            )
    if samples is not None:
        config = config.with_overrides({"search.samples": str(samples)})

    try:
        config = config.checked_for_search()
    except NothingToSearchError as error:
        options = recipe_options(space, settings, data_dir, model, seed)
        raise InputError(f"{error}; train the recipe once with: {program('train')} --test {options}") from None
    path = workspace.folder
    tracker = tracker_of(SearchFolder(path).tracked) if track is None else tracker_name(track)
    session = Session(workspace, config, precision, compiled, console, earlier, tracker)
    asked = Resources(address, gpus, workers, trials_per_gpu)
    again = f"resume with: {resume_command(path)}"
    try:
        if dry_run:
            session.forecast(asked)
            return
        result = session.run(asked, stall_timeout, budget)
    except InputError:
        raise
    except SearchFailedError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(1)
    except SearchInterruptedError as interruption:
        written = SearchFolder(path).space.exists()
        print("interrupted;", again if written else "nothing has been written yet", file=sys.stderr)
        sys.exit(interruption.exit_code)
    except Exception as error:
        trouble = disk_trouble(error)
        if trouble is None:
            raise
        raise InputError(f"{trouble}; all that {path} holds is kept; {again}") from None
    if not no_report:
        from tune_s11.cli.outcome import target_lines  # with the report comes torch
        from tune_s11.report import write_report

        with console.status("report"):
            index = write_report(result, commands=repeat_commands(result))
        for line in target_lines(json.loads(result.folder.report_numbers.read_text("utf-8"))):
            session.say(line)
        session.say(f"report: {shown_path(index)}", copied=True)
        workspace.finish()
    if sum(trial.state != "running" for trial in result.trials) < result.config.search.samples:
        session.say(f"the other trials, when there is time: {resume_command(path)}", copied=True)
    session.say(f"next: {report_command(path)}", copied=True)


def _resumed(storage: Storage, name: str, samples: int | None) -> tuple[Workspace, SearchConfig]:
    """The workspace and the configuration of a search that is to be resumed."""
    try:
        workspace = resume(storage, name)
        begun = load_search(str(workspace.folder), workspace.folder.parent)
    except InputError as error:
        raise InputError(f"--resume {error}") from None
    if samples is not None and samples < (least := len(begun.trials)):
        raise InputError(f"--samples {samples}: {least} trials have begun; allowed is {least} or more")
    return workspace, begun.config


def _best_of(name: str, storage: Storage) -> tuple[Recipe, ...]:
    """The recipes of an earlier search's best trials."""
    try:
        search = load_search(name, storage)
    except InputError as error:
        raise InputError(f"--warm-start {error}") from None
    if not search.contenders:
        raise InputError(f"--warm-start {name}: none of its trials is complete; allowed is a search that has one")
    return tuple(trial.recipe for trial in search.contenders)


def _with_lr_bounds(config: SearchConfig, low: float, high: float) -> SearchConfig:
    if "max_lr" not in config.space:
        raise InputError(f"--lr-bounds {low:g} {high:g}: max_lr is not searched; allowed is a space that searches it")
    if not 0 < low < high < float("inf"):
        raise InputError(f"--lr-bounds {low:g} {high:g}: allowed is 0 < LOW < HIGH")
    if config.space.get("min_lr_fraction") == RANGE_TEST:
        raise InputError(
            f"--lr-bounds {low:g} {high:g}: skips the range test, which space.min_lr_fraction needs; "
            "it must be set too, such as --set min_lr_fraction=0.01"
        )
    return config.with_lr_bounds(low, high)
