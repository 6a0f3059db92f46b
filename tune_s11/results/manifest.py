"""Records the provenance of a result: versions, commit, hardware, data, command line."""

import datetime
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_s11 import __version__
from tune_s11.config import InputError
from tune_s11.hardware import usable_cores

if TYPE_CHECKING:
    from tune_s11.data import Dataset

SCHEMA_VERSION = 1
"""Version of all formats in a results folder; increased when an older reader would misread one."""

_PACKAGES = ("torch", "torchvision", "albumentations", "ray", "optuna", "numpy", "scikit-learn", "pillow")


def check_schema(manifest: dict[str, Any], where: str) -> None:
    """Refuse files of a later version of this program; those of earlier versions are read.

    Raises:
        InputError: The manifest's ``schema_version`` is above :data:`SCHEMA_VERSION`.
    """
    version = manifest.get("schema_version", SCHEMA_VERSION)
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise InputError(
            f"{where}: schema_version {version!r}: must be at most {SCHEMA_VERSION}; "
            f"it was written by a tune_s11 later than {__version__}, which can read it"
        )


WARM_START = "warm_start"
"""Key of the recipes of an earlier search that a search tries after its first one."""


def build_manifest(dataset: "Dataset", seed: int) -> dict[str, Any]:
    """Return the provenance of a result as plain values for JSON."""
    return {
        "schema_version": SCHEMA_VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "seed": seed,
        "tune_s11": __version__,
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "machine": machine(),
        "data": {
            "fingerprint": dataset.fingerprint,
            "train_images": len(dataset.train),
            "test_images": len(dataset.test),
            "classes": list(dataset.classes),
            "mean": list(dataset.mean),
            "std": list(dataset.std),
            "notes": list(dataset.notes),
        },
    }


def machine() -> dict[str, Any]:
    """Describe the machine that this process runs on."""
    import torch  # takes a second to import, and readers of manifests do not need it

    gpus = (
        [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    )
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_name(),
        "cores": usable_cores(),
        "memory_gib": round(pages / 2**30, 1),
        "gpus": gpus,
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _git_commit() -> str | None:
    """Return the commit of the checkout, with ``-dirty`` if files differ from it; None outside a checkout."""
    here = Path(__file__)
    if not _git(here.parent, "ls-files", here.name):  # installed in the environment of another project's checkout
        return None
    return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=40", "--match=")


def _git(folder: Path, *command: str) -> str | None:
    """Return what a git command prints; None if that is nothing, or it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *command], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def check_same_images(where: str, dataset: "Dataset", manifest: dict[str, Any]) -> None:
    """Check that training is resumed or repeated with the same images.

    Other images would be split differently, so that training images could become validation or test images.

    Args:
        where: Start of the error line: a search's name, or ``--resume NAME``.
        dataset: Images of this session.
        manifest: Manifest of the earlier session.

    Raises:
        InputError: The images differ.
    """
    recorded = manifest["data"]["fingerprint"]
    if recorded != dataset.fingerprint:
        raise InputError(f"{where}: started on other images (fingerprint {recorded}, now {dataset.fingerprint})")
