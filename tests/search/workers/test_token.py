"""Ray's token: its owner alone can read it."""

import os
import re
from pathlib import Path

import pytest

from tune_s11.search.workers.token import keep_token_private, token_command


def test_the_token_is_made_readable_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    token = tmp_path / ".ray" / "auth_token"
    before = os.umask(0)
    try:
        keep_token_private()
    finally:
        os.umask(before)
    assert token.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch("[0-9a-f]{64}", token.read_text())
    assert [file.name for file in token.parent.iterdir()] == ["auth_token"]

    token.write_text("from elsewhere")
    token.chmod(0o644)
    keep_token_private()
    assert (token.stat().st_mode & 0o777, token.read_text()) == (0o600, "from elsewhere")


def test_without_a_home_that_can_be_written_the_token_is_kept_elsewhere_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ray").touch()  # root may write anywhere, but not below a file
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", "")  # so that it is gone again after the test
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    assert token_command() == "ray get-auth-token"
    keep_token_private()
    token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    assert token_command() == f"RAY_AUTH_TOKEN_PATH={token} ray get-auth-token"
    assert token.stat().st_mode & 0o777 == 0o600
    made = token.read_text()
    assert re.fullmatch("[0-9a-f]{64}", made)
    keep_token_private()
    assert Path(os.environ["RAY_AUTH_TOKEN_PATH"]).read_text() == made
    token.unlink()
