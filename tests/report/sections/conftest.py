"""Made-up searches of which a part is missing."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def empty(search_path: Path) -> Path:
    """The search before its first trial."""
    for name in ("trials", "best"):
        shutil.rmtree(search_path / name)
    return search_path


@pytest.fixture
def trials_alone(search_path: Path) -> Path:
    """The search before its refits: with them each report takes seconds for its heat maps."""
    shutil.rmtree(search_path / "best")
    return search_path
