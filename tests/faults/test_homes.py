"""Homes that are unfriendly: no room, another locale, strange paths, folders of somebody else."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tune_s11.results import load_search

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # for a busy machine

SHORT = ("--lr-bounds", "0.01", "0.2", "--samples", "2", "--set", "search.finalists=0")

NOT_ALMIGHTY = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
"""Runs as a root that may do with others' files what others may."""


def run(program: Any, *arguments: str, before: tuple[str, ...] = (), **environment: str) -> "tuple[int, str, str]":
    done = subprocess.run(
        [*before, *(argument for argument in program.command(*arguments) if argument != "--no-report")],
        capture_output=True,
        env=program.environment | environment,
        timeout=900,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def assert_done(program: Any, storage: Path, name: str, result: tuple[int, str, str]) -> None:
    code, stdout, stderr = result
    assert code == 0, stdout + stderr
    assert "Traceback" not in stderr
    search = load_search(name, storage)
    assert search.refit is not None
    assert search.folder.report_page.exists()


def test_a_home_that_cannot_be_written(program: Any, mount: Callable[[str], Path]) -> None:
    home = mount("ro,size=1m")
    result = run(
        program, "--space", str(program.space), "--name", "homeless", *SHORT, HOME=str(home), XDG_CACHE_HOME=""
    )
    assert_done(program, program.storage, "homeless", result)
    assert "RAY_AUTH_TOKEN_PATH=/tmp/tune_s11-token-" in result[1]


def test_a_locale_without_utf_8(program: Any) -> None:
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = run(program, "--space", str(program.space), "--name", "ascii", *SHORT, **locale)
    assert_done(program, program.storage, "ascii", result)
    assert "test accuracy: 0." in result[1]
    assert "\\xb1" in result[1]


def test_a_path_with_spaces_and_quotes_is_quoted_where_it_is_printed(program: Any, tmp_path: Path) -> None:
    storage, name = tmp_path / 'it\'s  a "place"', "two 'words'"
    result = run(program, "--storage", str(storage), "--space", str(program.space), "--name", name, *SHORT)
    assert_done(program, storage, name, result)
    (command,) = (line for line in result[1].splitlines() if line.startswith("next: "))
    shell = (
        command.removeprefix("next: ")
        .replace(" --open", "")
        .replace("python -m tune_s11.report best", "printf %s\\\\n")
    )
    words = subprocess.run(shell, shell=True, capture_output=True, text=True, check=True).stdout.splitlines()
    assert words == [name, "--storage", str(storage)]


@pytest.mark.parametrize("mode", [0o755, 0o700], ids=oct)
def test_a_folder_of_somebody_else_is_one_line(program: Any, tmp_path: Path, finished: Path, mode: int) -> None:
    storage = tmp_path / "theirs"
    shutil.copytree(finished, storage / "a")
    for file in (storage, *storage.rglob("*")):
        os.chown(file, 65534, 65534)
        file.chmod(mode if file.is_dir() else mode & 0o644)
    for arguments in (("--resume", "a", "--samples", "3"), ("--space", str(program.space), "--name", "b", *SHORT)):
        code, stdout, stderr = run(program, "--storage", str(storage), *arguments, before=NOT_ALMIGHTY)
        assert code == 2, stdout + stderr
        assert len(stderr.splitlines()) == 1, stderr
        assert stderr.startswith("error: ")
        assert str(storage) in stderr


@pytest.fixture
def finished(program: Any, tmp_path: Path) -> Path:
    """The folder of a search that is done."""
    if os.geteuid() or shutil.which("setpriv") is None:
        pytest.skip("only root can give files away, and setpriv can keep it from them")
    path: Path = program.storage / "a"
    if not path.exists():
        program.run("--space", str(program.space), "--name", "a", *SHORT)
    return path
