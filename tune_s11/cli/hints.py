"""Commands for the user to type next, as they would be typed from here."""

import os
import shlex
import sys
from pathlib import Path

from tune_s11.cli.options import RESULTS
from tune_s11.results import SearchResult
from tune_s11.results.folder import SearchFolder, SingleRunFolder
from tune_s11.storage.home import address_of


def program(command: str) -> str:
    """How a command is typed here.

    An installed package has no ``run_search.py``; and what ``uv run`` has started finds its packages only through it.

    Args:
        command: ``search``, ``train`` or ``report``.
    """
    uv = "uv run " if "UV_RUN_RECURSION_DEPTH" in os.environ else ""
    if Path(sys.argv[0]).stem == "tune-s11" or not Path("run_search.py").is_file():
        return f"{uv}tune-s11 {command}"
    return f"{uv}python run_search.py" if command == "search" else f"{uv}python -m tune_s11.{command}"


def resume_command(folder: Path) -> str:
    """What resumes the search or the single run in ``folder``."""
    folder = folder.resolve()  # or `.` would have no name
    command = "train" if SingleRunFolder(folder).record.exists() else "search"
    return f"{program(command)} --resume {shlex.quote(folder.name)}{storage_option(folder)}"


def repeat_commands(search: SearchResult) -> dict[str, str]:
    """What repeats a search, resumes it, and trains its winner again, by these names; the report shows them."""
    path = search.path.resolve()
    space = shlex.quote(str(shown_path(SearchFolder(path).space)))
    commands = {"search": f"{program('search')} --space {space}", "resume": resume_command(path)}
    if (winner := search.winner) is not None:
        trial = f"{shlex.quote(path.name)}/{winner.name}"
        commands["winner"] = f"{program('train')} --trial {trial}{storage_option(path)}"
    return commands


def storage_option(folder: Path) -> str:
    """What a command on the search or run in ``folder`` needs beside its name: nothing where results lie by default."""
    storage = folder.resolve().parent
    address = address_of(folder)
    if address is not None:
        return f" --storage {shlex.quote(str(address.parent))}"
    return "" if storage == RESULTS.resolve() else f" --storage {shlex.quote(str(shown_path(storage)))}"


def shown_path(path: Path) -> Path:
    """The path as seen from here where it lies below, for a report that is passed on; else the absolute path."""
    path = path.resolve()
    return path.relative_to(os.getcwd()) if path.is_relative_to(os.getcwd()) else path
