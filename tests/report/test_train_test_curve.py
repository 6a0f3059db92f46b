"""Training and test metrics of a run, epoch by epoch."""

from pathlib import Path

import pytest

from tune_s11.config import InputError
from tune_s11.report.train_test_curve import read_train_test
from tune_s11.results.folder import RefitFolder


@pytest.fixture
def refit(search_path: Path) -> RefitFolder:
    return RefitFolder(search_path / "best" / "seed-0")


def test_both_files_are_joined_by_epoch(refit: RefitFolder) -> None:
    rows = read_train_test(refit)
    assert [row.epoch for row in rows] == list(range(1, len(rows) + 1))
    assert all(row.shipped == row.ema_test_accuracy for row in rows)
    lines = refit.test_curve.read_text().splitlines(keepends=True)
    refit.test_curve.write_text("".join(lines[:1] + lines[2:]))
    assert [row.epoch for row in read_train_test(refit) if row.test_accuracy is None] == [2]


def test_a_missing_or_damaged_file_is_named(refit: RefitFolder) -> None:
    refit.test_curve.write_text("{")
    with pytest.raises(InputError, match=r"test_curve.jsonl: is damaged$"):
        read_train_test(refit)
    refit.test_curve.unlink()
    with pytest.raises(InputError, match=r"test_curve.jsonl: no such file"):
        read_train_test(refit)
