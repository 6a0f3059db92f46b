"""Commands that the user may type next."""

import shutil
import sys
from pathlib import Path

import pytest

from tune_s11.cli.hints import program, recipe_options, repeat_commands, resume_command, shown_path, storage_option
from tune_s11.results import load_search
from tune_s11.storage.local_folders import home_of
from tune_s11.storage.remote import Remote

FOLDERS = [
    ("results/a", ""),
    ("elsewhere/a", " --storage elsewhere"),
    ("my results/a", " --storage 'my results'"),
    ("/mnt/results/a", " --storage /mnt/results"),
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the user is in, a checkout; the cache is elsewhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    (tmp_path / "here/run_search.py").touch()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def test_in_a_checkout_its_files_are_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert program("search") == "python run_search.py"
    assert program("report") == "python -m tune_s11.report"
    assert program("lr") == "tune-s11 lr"  # has no file of its own
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert program("search") == "uv run python run_search.py"
    assert program("train") == "uv run python -m tune_s11.train"


@pytest.mark.parametrize("started_as", ["/usr/bin/tune-s11", "tune-s11.exe"])
def test_the_console_script_is_named_where_it_was_typed(started_as: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [started_as, "search"])
    assert program("search") == "tune-s11 search"
    assert program("report") == "tune-s11 report"


def test_an_installed_package_has_nothing_but_the_console_script(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "run_search.py").unlink()
    assert program("search") == "tune-s11 search"
    assert resume_command(Path("results/a")) == "tune-s11 search --resume a"
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert program("train") == "uv run tune-s11 train"


@pytest.mark.parametrize(("folder", "option"), FOLDERS)
def test_storage_is_named_where_it_is_not_the_default(folder: str, option: str) -> None:
    assert storage_option(Path(folder)) == option
    assert storage_option(Path(folder).resolve()) == option


@pytest.mark.parametrize(("folder", "option"), FOLDERS)
def test_a_search_is_resumed_by_name(folder: str, option: str) -> None:
    assert resume_command(Path(folder)) == f"python run_search.py --resume a{option}"
    assert resume_command(Path(folder).resolve()) == f"python run_search.py --resume a{option}"


def test_names_are_quoted_and_known_however_the_folder_was_opened(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path("results/it's mine")
    command = """python run_search.py --resume 'it'"'"'s mine'"""
    assert resume_command(folder) == command
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    command = """tune-s11 search --resume 'it'"'"'s mine'"""  # for no run_search.py is here
    assert resume_command(Path()) == f"{command} --storage {here / 'results'}"


def test_a_single_run_is_resumed_by_its_own_program() -> None:
    folder = Path("results/run")
    folder.mkdir(parents=True)
    (folder / "run.json").touch()
    assert resume_command(folder) == "python -m tune_s11.train --resume run"


@pytest.mark.parametrize("kind", ["work", "read"])
def test_a_copy_is_named_by_its_storage(kind: str) -> None:
    address = "s3://bucket/my%20searches?region=eu-north-1"
    folder = home_of(Remote(address), kind) / "a"  # type: ignore[arg-type]
    assert storage_option(folder) == f" --storage '{address}'"
    assert resume_command(folder) == f"python run_search.py --resume a --storage '{address}'"
    folder.mkdir()
    (folder / "run.json").touch()
    assert resume_command(folder) == f"python -m tune_s11.train --resume a --storage '{address}'"


def test_paths_are_shown_from_here(here: Path, tmp_path: Path) -> None:
    assert shown_path(here / "results" / "a") == Path("results/a")
    assert shown_path(Path("results/../results/a")) == Path("results/a")
    assert shown_path(tmp_path / "there") == tmp_path / "there"


def test_a_search_is_repeated_resumed_and_its_winner_trained_again(search_path: Path, here: Path) -> None:
    shutil.copytree(search_path, here / "results/own", symlinks=True)
    assert repeat_commands(load_search("own", Path("results"))) == {
        "search": "python run_search.py --space results/own/search.yaml",
        "resume": "python run_search.py --resume own",
        "winner": "python -m tune_s11.train --trial own/t0002",
    }
    shutil.move(here / "results", here / "my results")
    assert repeat_commands(load_search("own", Path("my results"))) == {
        "search": "python run_search.py --space 'my results/own/search.yaml'",
        "resume": "python run_search.py --resume own --storage 'my results'",
        "winner": "python -m tune_s11.train --trial own/t0002 --storage 'my results'",
    }
    shutil.rmtree(here / "my results/own/trials")
    assert repeat_commands(load_search("own", Path("my results"))).keys() == {"search", "resume"}


def test_options_of_a_recipe_leave_out_what_only_a_search_uses() -> None:
    settings = ["width=16", "search.samples=4", "refit.width=64", "search.seed=3"]
    typed = recipe_options("s11", settings, Path("my images"), None, 0)
    assert typed == "--space s11 --set width=16 --set search.seed=3 --data-dir 'my images' --seed 0"
