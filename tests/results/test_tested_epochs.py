"""The test curve of a refit, on disk."""

import json
from pathlib import Path

import pytest

from tune_s11.results.tested_epochs import EpochTestMetrics, read_test_curve, write_test_curve

EPOCHS = [EpochTestMetrics(1, 2.5, 0.25, 2.25, 0.5), EpochTestMetrics(2, None, 0.1, 1.5, 0.625)]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "test_curve.jsonl"
    assert read_test_curve(path) == []
    write_test_curve(path, EPOCHS)
    assert read_test_curve(path) == EPOCHS
    assert path.read_text().splitlines()[1] == (
        '{"epoch": 2, "test_loss": null, "test_accuracy": 0.1, "ema_test_loss": 1.5, "ema_test_accuracy": 0.625}'
    )


@pytest.mark.parametrize(
    "change", [{"test_loss": "low"}, {"test_accuracy": None}, {"ema_test_loss": float("nan")}, {"epoch": 1.5}]
)
def test_damaged_lines_are_left_out(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "test_curve.jsonl"
    write_test_curve(path, EPOCHS)
    first, second = path.read_text().splitlines()
    damaged = json.dumps(json.loads(first) | change)
    path.write_text(f'{damaged}\n{{"epoch": 3}}\n{second}\n{second[:-5]}')
    assert read_test_curve(path) == EPOCHS[1:]
