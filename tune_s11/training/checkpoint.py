"""Checkpoints: written whole or not at all, read as data and never as code."""

import errno
import lzma
import os
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from tune_s11.storage.files import partial_path


class CheckpointError(Exception):
    """Raised when a checkpoint is missing, damaged, or holds more than data; the message is one line."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values to a temporary file, then rename it to ``path``; readers see all or nothing."""
    partial = partial_path(path)
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except RuntimeError as error:  # if the disk is full, torch hides the OSError behind its own error
        raise error.__context__ if isinstance(error.__context__, OSError) else error from None
    finally:
        partial.unlink(missing_ok=True)


_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, pickle.UnpicklingError),
    *(RuntimeError, OSError, EOFError, ValueError, KeyError),
)
"""What reading a damaged file raises; an OSError has EINVAL if an offset is damaged, or no number.

One wrong bit suffices for a stored entry to count as a compressed one.
"""


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote, to the CPU. ``weights_only`` refuses a pickle that would run code.

    Raises:
        CheckpointError: The file is missing, truncated, damaged, or not a checkpoint.
        OSError: The disk or mount fails, which says nothing about the file.
    """
    try:
        # torch.load verifies no checksums, and skips entries that are marked as folders.
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() or any(entry.external_attr for entry in archive.infolist()):
                raise zipfile.BadZipFile
        # Not to a GPU, whose failures would look like damage; load_state_dict copies to the device of the parameters.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint") from None
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL, errno.EISDIR}:
            raise  # the disk is in trouble, and the file may be sound
        raise CheckpointError(f"{path}: cannot be read as a checkpoint ({type(error).__name__})") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: holds {type(state).__name__}, not a checkpoint")
    return state
