"""Homes that are unfriendly: no room, another locale, strange paths, folders of somebody else."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tune_s11.results import load_search
from tune_s11.results.records import AuditRecord, read_record

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


@pytest.mark.parametrize("kind", ["cannot be written", "is full"])
def test_a_home_without_room(program: Any, mount: Callable[[str], Path], kind: str) -> None:
    home = mount("ro,size=1m" if kind == "cannot be written" else "size=64k")
    if kind == "is full":
        with contextlib.suppress(OSError), (home / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
    name = f"a home that {kind}"
    result = run(program, "--space", str(program.space), "--name", name, *SHORT, HOME=str(home), XDG_CACHE_HOME="")
    assert_done(program, program.storage, name, result)
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


@pytest.mark.parametrize("storage", ["two\nlines", "a\x1bbell", "bytes\udcff"], ids=ascii)
def test_a_path_that_no_line_can_show_is_refused(program: Any, tmp_path: Path, storage: str) -> None:
    code, stdout, stderr = run(program, "--storage", str(tmp_path / storage), "--name", "a", *SHORT)
    assert code == 2, stdout + stderr
    assert len(stderr.splitlines()) == 1, stderr
    assert stderr.startswith("error: --storage")
    assert list(tmp_path.iterdir()) == []


CLOCK = """
import os, time

begun, now = time.time(), time.time


def jumping():
    passed = now() - begun
    return now() + (0 if passed < 15 else -86400 if passed < 30 else 86400)


time.time = jumping
"""


def test_a_clock_that_is_set_back_and_forth_while_trials_run(program: Any, tmp_path: Path) -> None:
    """By a day, 15 and 30 s after each process has started, which is while it trains."""
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    long = ("--set", "epochs=200", "--set", "search.grace=50", "--set", "refit.epochs=6", "--stall-timeout", "120")
    options = ("--space", str(program.space), "--name", "jumps", *SHORT, *long)
    result = run(program, *options, PYTHONPATH=str(tmp_path))
    assert_done(program, program.storage, "jumps", result)
    assert "runs again" not in result[1]
    search = load_search("jumps", program.storage)
    assert {trial.state for trial in search.trials} <= {"complete", "pruned"}
    assert [[row.epoch for row in trial.rows] for trial in search.trials] == [
        list(range(1, trial.epoch + 1)) for trial in search.trials
    ]


def test_an_audited_trial_whose_number_comes_again_is_a_trial_like_others(program: Any) -> None:
    """As in a copy of a search whose study is older than its audit."""
    audited = ("--set", "search.audit=0.5")
    assert run(program, "--space", str(program.space), "--name", "again", *SHORT, *audited)[0] == 0
    folder = load_search("again", program.storage).folder
    record = AuditRecord(one_in=2, decisions=4, trials={"t0002": 4, "t0009": 4})
    record.write(folder.audit)
    result = run(program, "--resume", "again", "--samples", "4")
    assert_done(program, program.storage, "again", result)
    assert "t0009" not in folder.audit.read_text()
    after = read_record(AuditRecord, folder.audit)
    assert after.one_in == 2
    search = load_search("again", program.storage)
    assert [trial.number for trial in search.trials] == [0, 1, 2, 3]
    for name in after.trials:  # only what a rung of this search would have stopped
        assert search.trials[int(name[1:])].epoch > after.trials[name]


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
