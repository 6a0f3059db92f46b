"""The token that a Ray which is started here asks for."""

import atexit
import os
import secrets
import shlex
import tempfile
from contextlib import suppress
from pathlib import Path

_TOKEN_PATH = "RAY_AUTH_TOKEN_PATH"
"""Where Ray looks for its token in place of the home folder."""


def token_command() -> str:
    """What prints the token that the dashboard asks for."""
    elsewhere = os.environ.get(_TOKEN_PATH)
    return f"{f'{_TOKEN_PATH}={shlex.quote(elsewhere)} ' if elsewhere else ''}ray get-auth-token"


def keep_token_private() -> None:
    """Ray makes its token where there is none, but readable for all; so it is made here, whole or not at all.

    In a home without room, or that cannot be written, there is none for long: it is kept elsewhere while this runs.
    """
    if {"RAY_AUTH_TOKEN", _TOKEN_PATH} & os.environ.keys():
        return
    token = Path.home() / ".ray" / "auth_token"
    try:
        token.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=token.parent) as file:  # readable for its owner alone
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
