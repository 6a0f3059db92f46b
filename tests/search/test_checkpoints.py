"""Checkpoints that nobody needs."""

from pathlib import Path

import pytest

from tests.search.begun import Search
from tune_s11.search.checkpoints import drop_checkpoints


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return Search(tmp_path)


def test_checkpoints_of_all_attempts_at_one_trial_go(search: Search) -> None:
    search.begin("t0001", "t0001.1", "t0001.12", "t0010", "t0011")
    drop_checkpoints(search.context, 1)
    left = sorted(str(file.relative_to(search.path)) for file in search.path.rglob("*") if file.is_file())
    assert left == [
        *("trials/t0001.1/result.json", "trials/t0001.12/result.json", "trials/t0001/result.json"),
        *("trials/t0010/checkpoint_000000/checkpoint.pt", "trials/t0010/result.json"),
        *("trials/t0011/checkpoint_000000/checkpoint.pt", "trials/t0011/result.json"),
    ]
