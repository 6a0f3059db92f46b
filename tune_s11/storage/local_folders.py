"""Finds this machine's copies of a storage's folders, and the storage that such a copy belongs to."""

import hashlib
import re
from pathlib import Path
from typing import Literal

from tune_s11.storage.files import write_whole
from tune_s11.storage.remote import Remote, s3_endpoint

ADDRESS_FILE = "storage.uri"
"""File with the address of the storage, in the parent of this machine's copies."""


def home_of(storage: Remote, kind: Literal["work", "read"]) -> Path:
    """Return the parent of this machine's copies of a storage's folders; create it, with the address of the storage.

    The same address with another endpoint is another storage.

    Args:
        storage: Parent of the results.
        kind: Purpose of the copies: to work in, or to read.
    """
    from tune_s11.data.cache import cache_dir  # imports torch, which reading from a disk does not need

    digest = hashlib.sha256(f"{storage.uri} {s3_endpoint()}".encode()).hexdigest()[:8]
    plain = re.sub(r"[^A-Za-z0-9]+", "-", storage.uri.partition("?")[0])[:60]
    home = cache_dir().resolve() / "storage" / kind / f"{plain}-{digest}"
    home.mkdir(parents=True, exist_ok=True)
    write_whole(home / ADDRESS_FILE, storage.uri)
    return home


def address_of(folder: Path) -> Remote | None:
    """Return the place in a storage that a folder is this machine's copy of; None if it is not a copy."""
    folder = folder.resolve()  # otherwise `.` would have no name
    address = folder.parent / ADDRESS_FILE
    return Remote(address.read_text("utf-8")) / folder.name if address.exists() else None
