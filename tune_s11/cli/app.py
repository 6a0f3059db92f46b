"""Runs every command line of the project, with errors of one line and their exit codes."""

import io
import sys
from typing import NoReturn

import typer
from typer.exceptions import Abort, TyperException

from tune_s11.cli.hints import program, resume_command
from tune_s11.config import InputError
from tune_s11.results import NoSearchError, NoWinnerError
from tune_s11.storage.disk import describe_disk_error
from tune_s11.storage.workspace import NotCopiedError
from tune_s11.text import printable


def new_app(help: str, *, completion: bool = False) -> typer.Typer:
    """Create a Typer application that leaves errors to :func:`run`.

    Args:
        help: Line on what the application does.
        completion: Whether shell completion can be installed; a shell completes only programs with names of their own.
    """
    return typer.Typer(help=help, add_completion=completion, pretty_exceptions_enable=False, rich_markup_mode=None)


def run(app: typer.Typer, name: str) -> None:
    """Run a command line. Errors that the user can fix are one line on stderr, with exit code 2.

    Args:
        app: Application with the commands.
        name: Name of the program, for its help.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale may lack the ± of an accuracy
    try:
        code = typer.main.get_command(app).main(prog_name=name, standalone_mode=False)
    except TyperException as error:  # wrong usage: typer alone would print five lines
        _exit(error.format_message())
    except NoSearchError as error:
        _exit(f"{error}; start one with: {program('search')} --space quick")
    except NoWinnerError as error:
        _exit(f"{error}; resume the search with: {resume_command(error.folder)}")
    except NotCopiedError as error:
        _exit(f"{error}; copy it with: {resume_command(error.folder)}")
    except InputError as error:
        _exit(str(error))
    except (KeyboardInterrupt, Abort):
        sys.exit(130)
    except Exception as error:
        trouble = describe_disk_error(error)
        if trouble is None:
            raise
        _exit(trouble)
    sys.exit(code or 0)


def _exit(message: str) -> NoReturn:
    print(f"error: {printable(message)}", file=sys.stderr)
    sys.exit(2)
