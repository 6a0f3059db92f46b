"""Creates the token that Ray asks for when it is started here."""

import atexit
import os
import secrets
import shlex
import tempfile
from contextlib import suppress
from pathlib import Path

_TOKEN_PATH = "RAY_AUTH_TOKEN_PATH"
"""Environment variable with the path of Ray's token, if it is not in the home folder."""


def token_command() -> str:
    """Return the command that prints the token that the dashboard asks for."""
    elsewhere = os.environ.get(_TOKEN_PATH)
    return f"{f'{_TOKEN_PATH}={shlex.quote(elsewhere)} ' if elsewhere else ''}ray get-auth-token"


def keep_token_private() -> None:
    """Create Ray's token atomically if there is none. Ray would make it readable for everyone.

    If the home folder is full or cannot be written, a temporary file holds the token while this process runs.
    """
    if {"RAY_AUTH_TOKEN", _TOKEN_PATH} & os.environ.keys():
        return
    token = Path.home() / ".ray" / "auth_token"
    try:
        token.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=token.parent) as file:  # only its owner can read it
            file.write(secrets.token_hex(32))
            file.flush()
            with suppress(FileExistsError):
                os.link(file.name, token)
        token.chmod(0o600)
    except OSError:
        if os.access(token, os.R_OK):
            return
        handle, name = tempfile.mkstemp(prefix="tune_s11-token-")
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32))
        atexit.register(Path(name).unlink, missing_ok=True)
        os.environ[_TOKEN_PATH] = name
