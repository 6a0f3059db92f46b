"""What every command line of the project shares: its options, and errors of one line."""

import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from typer.exceptions import Abort, TyperException

from tune_s11.config import InputError, printable
from tune_s11.disk import disk_trouble
from tune_s11.hardware import Precision
from tune_s11.search_space import SearchConfig, load_space
from tune_s11.storage import parse_storage


def whole_number(least: int) -> Callable[[str | int], int]:
    """Reads an option's whole number; the error names the value, which typer's own leaves out."""

    def read(value: str | int) -> int:  # a default comes as a number
        text = str(value)
        if not text.isdecimal() or int(text) < least:
            raise typer.BadParameter(f"{text!r}: allowed is a whole number from {least}")
        return int(text)

    return read


def whole_number_or_auto(value: str | int | None) -> int | None:
    """Reads an option's whole number from 1, or ``auto``, which is None."""
    if value is None or value == "auto":
        return None
    try:
        return whole_number(1)(value)
    except typer.BadParameter as error:
        raise typer.BadParameter(f"{error.message} or auto") from None


def span_of_time(value: str) -> float:
    """Reads an option's time, such as ``90m``, ``2h`` or ``1h30m``, into seconds."""
    parts = re.fullmatch(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", value)
    hours, minutes, seconds = (int(part or 0) for part in parts.groups()) if parts else (0, 0, 0)
    if not (total := 3600 * hours + 60 * minutes + seconds):
        raise typer.BadParameter(f"{value!r}: allowed is a time such as 90m, 2h or 1h30m")
    return float(total)


def in_time(seconds: float) -> str:
    """Seconds as people read them, such as ``0.4 s``, ``12 s``, ``2 min 5 s``, ``38 min`` or ``2 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 9.5 else f"{seconds:.2g} s"
    if seconds < 600:
        return f"{round(seconds) // 60} min {round(seconds) % 60} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60:,} h {minutes % 60} min"


RESULTS = Path("results")
"""Parent of all search and run folders, where ``--storage`` names no other."""

SpaceOption = Annotated[str, typer.Option("--space", help="Space file: s11, quick, wide, or a path.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the recipe, or search.KEY. Repeatable.")
]
DataDirOption = Annotated[
    Path | None, typer.Option("--data-dir", help="Image folder DIR/{train,test}/<class>/*.png in place of the dataset.")
]
ModelOption = Annotated[str | None, typer.Option("--model", help="A network of your own: package.module:function.")]
SeedOption = Annotated[
    int | None, typer.Option("--seed", parser=whole_number(0), metavar="N", help="In place of the space file's seed.")
]
PrecisionOption = Annotated[
    Precision, typer.Option("--precision", help="auto: bf16 where the device multiplies it natively.")
]
ThreadsOption = Annotated[
    int | None, typer.Option("--threads", parser=whole_number(1), metavar="N", help="CPU threads (default: all cores).")
]
StorageOption = Annotated[
    Any,  # a Storage; typer knows no unions
    typer.Option(
        "--storage",
        parser=parse_storage,
        metavar="DIR|URI",
        help="Parent of the results: a folder, or s3://BUCKET/PATH.",
    ),
]
STORAGE_FILE = "storage.uri"
"""In the parent of folders that are this machine's copies: the address of the storage."""


def new_app(help: str) -> typer.Typer:
    """A Typer application that leaves errors to :func:`run` and knows no shell completion."""
    return typer.Typer(help=help, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def run(app: typer.Typer, name: str) -> None:
    """Runs a command line: one line on stderr and exit code 2 for whatever the user can mend.

    Args:
        app: The commands.
        name: How the program is called, for its help.
    """
    try:
        code = typer.main.get_command(app).main(prog_name=name, standalone_mode=False)
    except TyperException as error:  # wrong usage: typer alone would print five lines
        _exit(error.format_message())
    except InputError as error:
        _exit(str(error))
    except (KeyboardInterrupt, Abort):
        sys.exit(130)
    except BrokenPipeError:  # `... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except Exception as error:
        trouble = disk_trouble(error)
        if trouble is None:
            raise
        _exit(trouble)
    sys.exit(code or 0)


def _exit(message: str) -> NoReturn:
    print(f"error: {printable(message)}", file=sys.stderr)
    sys.exit(2)


def refuse_beside(context: typer.Context, option: str, *allowed: str) -> None:
    """Refuses options that would be ignored.

    Args:
        context: Of the command.
        option: What settles all the rest, as it was typed: ``--resume NAME``.
        allowed: Parameters that mean something beside it.

    Raises:
        InputError: Another one was typed too.
    """
    options = {str(parameter.name): parameter.opts[0] for parameter in context.command.params}
    for name, other in options.items():
        source = context.get_parameter_source(name)
        typed = source is not None and source.name == "COMMANDLINE"
        if typed and name not in allowed and not option.startswith(f"{other} "):
            beside = ", ".join(options[each] for each in allowed)
            raise InputError(f"{option}: leaves nothing for {other} to say; allowed beside it: {beside}")


def resolve_config(
    space: str,
    settings: list[str] | None,
    data_dir: Path | None = None,
    model: str | None = None,
    seed: int | None = None,
) -> SearchConfig:
    """The space file with the command line's changes applied, all paths absolute.

    Raises:
        InputError: As :func:`tune_s11.search_space.load_space`.
    """
    overrides = dict(_key_value(setting) for setting in settings or [])
    if data_dir is not None:
        if not data_dir.is_dir():
            raise InputError(f"--data-dir {data_dir}: no such folder; allowed is one that holds train/ and test/")
        overrides |= {"dataset": "folder", "data_dir": str(data_dir)}
    if model is not None:
        overrides["model"] = model
    if seed is not None:
        overrides["search.seed"] = str(seed)
    config = load_space(space).with_overrides(overrides)
    absolute = {}
    if config.recipe.data_dir is not None:
        absolute["data_dir"] = str(Path(config.recipe.data_dir).resolve())
    if Path(config.recipe.augmentation).is_file():
        absolute["augmentation"] = str(Path(config.recipe.augmentation).resolve())
    return config.with_overrides(absolute) if absolute else config


def _key_value(setting: str) -> tuple[str, str]:
    key, equals, value = setting.partition("=")
    if not (key and equals):
        raise InputError(f"--set {setting!r}: allowed is KEY=VALUE")
    return key, value


def say(console: Console, line: str) -> None:
    """Prints one line as it is: unfolded, and whatever is in brackets is no markup."""
    console.print(line, markup=False, soft_wrap=True)


def resume_command(folder: Path) -> str:
    """What to type to go on with the search in ``folder``."""
    return f"python run_search.py --resume {shlex.quote(folder.name)}{storage_option(folder)}"


def storage_option(folder: Path) -> str:
    """What a command on the search or run in ``folder`` needs beside its name: nothing where results lie by default."""
    storage = folder.resolve().parent
    address = storage / STORAGE_FILE
    if address.exists():
        return f" --storage {shlex.quote(address.read_text())}"
    return "" if storage == RESULTS.resolve() else f" --storage {shlex.quote(str(shown_path(storage)))}"


def shown_path(path: Path) -> Path:
    """The path as seen from here where it lies below, for a report that is passed on; else the absolute path."""
    path = path.resolve()
    return path.relative_to(os.getcwd()) if path.is_relative_to(os.getcwd()) else path


def check_name(name: str) -> str:
    """A folder name under the results.

    Raises:
        InputError: The name would lead elsewhere.
    """
    if not name or name in {".", ".."} or "/" in name or "\\" in name or not name.isprintable() or len(name) > 80:
        raise InputError(f"--name {name!r:.99}: allowed is one folder name of up to 80 characters")
    return name
