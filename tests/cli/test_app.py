"""How a command line finishes: exit codes, and one line with a hint on what to type next."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from tune_s11.cli.app import new_app, run
from tune_s11.config import InputError
from tune_s11.results import NoSearchError
from tune_s11.storage.workspace import NotCopiedError


def exit_code(error: BaseException | None, monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit code of a program whose one command raises this."""
    app = new_app("Fail.")

    @app.command()
    def fail() -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(sys, "argv", ["program"])
    with pytest.raises(SystemExit) as exit:
        run(app, "program")
    return exit.value.code


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("--samples: must be at\nleast 1"), "--samples: must be at least 1"),
        (typer.BadParameter("'-3'"), "Invalid value: '-3'"),
        (OSError(errno.ENOSPC, "full", "/results/a"), f"/results/a: {os.strerror(errno.ENOSPC)}"),
        (
            NoSearchError(Path("results")),
            "results: holds no search yet; start one with: tune-s11 search --space quick",
        ),
        (
            NotCopiedError("s3://bucket/a: is not up to date", Path("elsewhere/a")),
            "s3://bucket/a: is not up to date; copy it with: tune-s11 search --resume a --storage elsewhere",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_user_can_mend_is_one_line(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert exit_code(error, monkeypatch) == 2
    assert tuple(capsys.readouterr()) == ("", f"error: {line}\n")


def test_a_single_run_that_is_not_copied_is_resumed_as_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/a").mkdir(parents=True)
    (tmp_path / "results/a/run.json").touch()
    exit_code(NotCopiedError("s3://bucket/a: is not up to date", tmp_path / "results/a"), monkeypatch)
    assert capsys.readouterr().err.endswith("; copy it with: tune-s11 train --resume a\n")


@pytest.mark.parametrize(("error", "code"), [(None, 0), (KeyboardInterrupt(), 130), (typer.Abort(), 130)])
def test_whatever_else_finishes_it_prints_nothing(
    error: BaseException | None, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(error, monkeypatch) == code
    assert tuple(capsys.readouterr()) == ("", "")


def test_a_defect_of_the_program_is_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        exit_code(ZeroDivisionError(), monkeypatch)


ACCURACY = """
from tune_s11.cli.app import new_app, run

app = new_app("Print.")


@app.command()
def main():
    print("0.9421 \\u00b1 0.0012")


run(app, "program")
"""


def test_a_locale_that_lacks_a_character_ends_nothing() -> None:
    ascii = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", ACCURACY], capture_output=True, env=ascii, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, b"0.9421 \\xb1 0.0012\n"), done.stderr
