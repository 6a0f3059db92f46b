"""``tune-s11 search``, and what its help has in common with that of ``train``."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import ray

from tune_s11.cli import train
from tune_s11.cli.hints import resume_command
from tune_s11.cli.main import run_search
from tune_s11.cli.search import ALLOWED_WITH_RESUME, MACHINE_OPTIONS
from tune_s11.config import InputError
from tune_s11.search.failures import STALL_FACTOR, STALL_FIRST, STALL_LEAST
from tune_s11.search.resume_checks import recorded
from tune_s11.search_space import load_space


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_before_ray_has_started_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int, code: int
) -> None:
    def interrupted(config: object) -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)

    monkeypatch.setattr("tune_s11.search.session.SearchInputs.checked", interrupted)
    monkeypatch.setattr(sys, "argv", ["run_search.py", "--space", "quick", "--storage", str(tmp_path)])
    with pytest.raises(SystemExit) as exit:
        run_search()
    assert exit.value.code == code
    assert capsys.readouterr().err == "interrupted; nothing has been written yet\n"


def test_the_command_to_resume_with_is_for_the_same_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(config: object) -> None:
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / "search.yaml").touch()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    monkeypatch.setattr("tune_s11.search.session.SearchInputs.checked", interrupted)
    typed = ["--gpus", "0", "--workers", "3", "--trials-per-gpu", "auto", "--address", "10.0.0.1:6379"]
    begin = ["run_search.py", "--space", "quick", "--name", "one", "--budget", "2h", "--storage", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*begin, *typed])
    with pytest.raises(SystemExit):
        run_search()
    again = capsys.readouterr().err.removeprefix("interrupted; resume with: ")
    assert again.startswith(resume_command(tmp_path / "one"))
    assert " --gpus 0 " in again
    assert " --workers 3 " in again
    assert " --trials-per-gpu auto " in again
    assert " --address 10.0.0.1:6379\n" in again
    assert "--space" not in again
    assert "--budget" not in again
    assert set(MACHINE_OPTIONS) <= set(ALLOWED_WITH_RESUME)


def test_images_that_have_moved_are_named_when_a_search_is_resumed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def seen(name: str, config: object, changes: dict[str, object], **options: object) -> None:
        raise InputError(f"{name} {config} {changes} {options['resume']}")

    monkeypatch.setattr("tune_s11.api.search.Search", seen)
    monkeypatch.setattr(sys, "argv", ["run_search.py", "--resume", "mine", "--data-dir", "new/place"])
    with pytest.raises(SystemExit):
        run_search()
    changes = {"data_dir": Path("new/place")}
    assert capsys.readouterr().err == f"error: mine None {changes} True\n"


def test_a_resumed_search_says_that_its_images_are_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_space("quick").with_overrides({"dataset": "folder", "data_dir": str(tmp_path / "old")})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "search.yaml").write_text(config.to_yaml())
    before = {"packages": {"ray": ray.__version__}} | recorded(config, "auto")
    (tmp_path / "mine" / "manifest.json").write_text(json.dumps(before))
    resume = ["run_search.py", "--resume", "mine", "--storage", str(tmp_path)]
    for moved, place in (((), "old"), (("--data-dir", str(tmp_path / "new")), "new")):
        monkeypatch.setattr(sys, "argv", [*resume, *moved])
        with pytest.raises(SystemExit):
            run_search()
        line = capsys.readouterr().err
        assert line.startswith(f"error: mine: data_dir '{tmp_path / place}': the images are not there; ")
        assert line.endswith("--data-dir DIR|CSV\n")


def test_the_help_names_how_long_a_worker_may_be_silent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "--help"])
    with pytest.raises(SystemExit):
        run_search()
    later = f"{STALL_FACTOR:g} times the longest interval, at least {STALL_LEAST:g} s"
    first = f"{STALL_FIRST / 3600:g} hours before the first report"
    assert f"(default: {later}; {first})" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("main", [run_search, train.main])
def test_the_baseline_of_the_schedules_is_in_the_help(
    main: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "--help"])
    with pytest.raises(SystemExit):
        main()
    words = " ".join(capsys.readouterr().out.split())
    assert "schedule=plateau" in words
    assert "reduce on plateau (ReduceLROnPlateau)" in words
