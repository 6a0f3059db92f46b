"""A results folder has one session at a time."""

import os
from pathlib import Path

import pytest

from tune_s11.config import InputError
from tune_s11.storage.lock import only_session


def test_a_second_session_is_kept_off_while_the_first_is_there(tmp_path: Path) -> None:
    refused = pytest.raises(InputError, match=f"^{tmp_path.name}: another session is working on it")
    with only_session(tmp_path), refused, only_session(tmp_path):
        pass
    with only_session(tmp_path):
        pass


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
