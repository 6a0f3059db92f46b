"""Suggests commands to type next, as the user would type them in this working directory."""

import os
import shlex
import sys
from pathlib import Path

from tune_s11.cli.arguments import names_recipe_field
from tune_s11.cli.options import RESULTS
from tune_s11.results import RunResult, SearchResult
from tune_s11.results.folder import SearchFolder, SingleRunFolder
from tune_s11.storage.local_folders import address_of

_IN_A_CHECKOUT = {"search": "run_search.py", "train": "-m tune_s11.train", "report": "-m tune_s11.report"}
"""Arguments of Python in a checkout, by command; other commands have no entry point of their own."""


def program(command: str) -> str:
    """Return the start of the command line that runs a command here.

    An installed package has no ``run_search.py``. A program started by ``uv run`` finds its packages only through it.

    Args:
        command: Name of the command in ``tune-s11``.
    """
    uv = "uv run " if "UV_RUN_RECURSION_DEPTH" in os.environ else ""
    installed = Path(sys.argv[0]).stem == "tune-s11" or not Path("run_search.py").is_file()
    if installed or command not in _IN_A_CHECKOUT:
        return f"{uv}tune-s11 {command}"
    return f"{uv}python {_IN_A_CHECKOUT[command]}"


def resume_command(folder: Path) -> str:
    """Return the command that resumes the search or the single run in ``folder``."""
    folder = folder.resolve()  # otherwise `.` would have no name
    command = "train" if SingleRunFolder(folder).record.exists() else "search"
    return f"{program(command)} --resume {shlex.quote(folder.name)}{storage_option(folder)}"


def recipe_options(
    space: str, settings: list[str] | None, data_dir: Path | None, model: str | None, seed: int | None
) -> str:
    """Return the options of a command that name a recipe and its seed, as they were typed."""
    typed = ["--space", space]
    for setting in settings or []:
        if names_recipe_field(setting) or setting.startswith("search.seed="):
            typed += ["--set", setting]
    for option, value in (("--data-dir", data_dir), ("--model", model), ("--seed", seed)):
        typed += [] if value is None else [option, str(value)]
    return shlex.join(typed)


def report_command(folder: Path) -> str:
    """Return the command that draws the report on the search or the single run in ``folder`` and opens it."""
    return f"{program('report')} best {shlex.quote(folder.name)}{storage_option(folder)} --open"


def report_commands(result: SearchResult | RunResult) -> dict[str, str]:
    """Return the commands that a report shows, by name."""
    if isinstance(result, RunResult):
        return {"resume": resume_command(result.path)}
    return repeat_commands(result)


def repeat_commands(search: SearchResult) -> dict[str, str]:
    """Return the commands that repeat a search, resume it, and train its winner again, by name."""
    path = search.path.resolve()
    space = shlex.quote(str(shown_path(SearchFolder(path).space)))
    commands = {"search": f"{program('search')} --space {space}", "resume": resume_command(path)}
    if (winner := search.winner) is not None:
        trial = f"{shlex.quote(path.name)}/{winner.name}"
        commands["winner"] = f"{program('train')} --trial {trial}{storage_option(path)}"
    return commands


def storage_option(folder: Path) -> str:
    """Return the option that a command needs in addition to the folder's name; empty in the default storage."""
    storage = folder.resolve().parent
    address = address_of(folder)
    if address is not None:
        return f" --storage {shlex.quote(str(address.parent))}"
    return "" if storage == RESULTS.resolve() else f" --storage {shlex.quote(str(shown_path(storage)))}"


def shown_path(path: Path) -> Path:
    """Return a path to show, also in a shared report: relative if it is in the working directory, else absolute."""
    path = path.resolve()
    return path.relative_to(os.getcwd()) if path.is_relative_to(os.getcwd()) else path
