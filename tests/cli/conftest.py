"""Command lines run in this process: the environment that they leave, and the made-up search of the report's tests."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
sys.path.insert(0, str(Path(__file__).parents[1] / "winner"))
from finished import finished, own_network
from made_up import images, pristine, pristine_run, search_path, tested_path, validated_path

__all__ = [
    "finished",
    "images",
    "own_network",
    "pristine",
    "pristine_run",
    "search_path",
    "tested_path",
    "validated_path",
]


@pytest.fixture(autouse=True)
def own_environment() -> Iterator[None]:
    """What a command sets for Ray, such as to listen on loopback only, is not for the tests that follow."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
