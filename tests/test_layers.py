"""The floors of the house: a module imports only from those below it."""

from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports


def test_layers() -> None:
    assert lint_imports(str(Path(__file__).parents[1] / "pyproject.toml"), no_cache=True) == EXIT_STATUS_SUCCESS
