"""A search has one session at a time."""

import os
from pathlib import Path
from typing import Any

import pytest
import ray

from tune_s11.config import InputError
from tune_s11.hardware import Precision
from tune_s11.results import SearchFolder
from tune_s11.search.resume_checks import (
    check_same_search,
    earlier_manifest,
    kept_precision,
    may_use_matrix_products,
    only_session,
)
from tune_s11.search_space import load_space


def test_a_second_session_is_kept_off_while_the_first_is_there(tmp_path: Path) -> None:
    refused = pytest.raises(InputError, match=f"^{tmp_path.name}: another session is working on it")
    with only_session(tmp_path), refused, only_session(tmp_path):
        pass
    with only_session(tmp_path):
        pass


def test_samples_target_and_target_line_of_a_search_may_change(tmp_path: Path) -> None:
    folder, config = SearchFolder(tmp_path), load_space("quick")
    before = {"packages": {"ray": ray.__version__}, "search": config.plain()}
    del before["search"]["search"]["target_line"]  # earlier versions had none
    for changes in ({}, {"search.samples": "9"}, {"search.target": "0.9"}, {"search.target_line": "0.9"}):
        check_same_search(folder, config.with_overrides(changes), before)
    with pytest.raises(InputError, match=r"search\.grace: 5: the search started with 4"):
        check_same_search(folder, config.with_overrides({"search.grace": "5"}), before)


@pytest.mark.parametrize(("manifest", "allowed"), [(None, True), ("{}", False), ('{"matrix_products": true}', True)])
def test_a_search_that_began_without_matrix_products_continues_without(
    tmp_path: Path, manifest: str | None, allowed: bool
) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    assert may_use_matrix_products(earlier_manifest(SearchFolder(tmp_path))) is allowed


@pytest.mark.parametrize(
    ("asked", "before", "kept"),
    [
        ("auto", None, "auto"),
        ("auto", {"precision": "fp32"}, "fp32"),
        ("bf16", {"precision": "fp32"}, "bf16"),
        ("auto", {"precision": "auto"}, "auto"),
        ("auto", {}, "auto"),
        ("auto", {"precision": "fp8"}, "auto"),
    ],
)
def test_a_search_keeps_the_precision_that_was_asked_for(
    asked: Precision, before: dict[str, Any] | None, kept: Precision
) -> None:
    assert kept_precision(asked, before) == kept


def test_what_was_changed_is_named_the_call_or_the_file(tmp_path: Path) -> None:
    folder, config = SearchFolder(tmp_path), load_space("quick")
    before = {"packages": {"ray": ray.__version__}, "search": config.plain()}
    wider = config.with_overrides({"width": "99"})
    folder.space.write_text(config.to_yaml())
    with pytest.raises(InputError, match=f"^{tmp_path.name}: recipe.width: 99: .*; expected .* search: another name$"):
        check_same_search(folder, wider, before)
    folder.space.write_text(wider.to_yaml())
    with pytest.raises(InputError, match=f"^{folder.space}: recipe.width: 99: .*: --space {folder.space}$"):
        check_same_search(folder, wider, before)


def test_the_refits_do_not_change_either(tmp_path: Path) -> None:
    config = load_space("quick")
    before = {"packages": {"ray": ray.__version__}, "search": config.plain()}
    with pytest.raises(InputError, match=r"refit.width: 64: the search started with None and keeps it"):
        check_same_search(SearchFolder(tmp_path), config.with_overrides({"refit.width": "64"}), before)
    check_same_search(SearchFolder(tmp_path), config, before)


def test_an_error_in_a_session_lets_the_next_in(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_session(tmp_path):
        raise ZeroDivisionError
    with only_session(tmp_path):
        pass


def test_a_mount_without_locks_keeps_nobody_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*arguments: object) -> None:
        raise OSError(9, os.strerror(9))

    monkeypatch.setattr("fcntl.flock", unknown)
    with only_session(tmp_path), only_session(tmp_path):
        pass
