"""The range test on disk: ``lr_range.json``."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tune_s11.config import InputError
from tune_s11.lr_range.bounds import find_bounds
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.suggestions import SUGGESTIONS
from tune_s11.results.range_test import RangeTest, read_range_test

LOSSES = np.stack([np.append(np.linspace(3, 1, 39), math.inf), np.linspace(3, 1.5, 40)])
MEASURED = RangeTest.of(LRCurve(np.geomspace(1e-4, 10, 40), LOSSES))


def test_all_follows_from_the_curve() -> None:
    assert MEASURED.suggestions == {name: rule(MEASURED.curve) for name, rule in SUGGESTIONS.items()}
    assert MEASURED.bounds == find_bounds(MEASURED.curve)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lr_range.json"
    MEASURED.write(path)
    again = read_range_test(path)
    assert np.array_equal(again.curve.lrs, MEASURED.curve.lrs)
    assert np.array_equal(again.curve.losses, MEASURED.curve.losses)
    assert (again.suggestions, again.bounds) == (MEASURED.suggestions, MEASURED.bounds)


def test_the_file_is_a_format(tmp_path: Path) -> None:
    path = tmp_path / "lr_range.json"
    MEASURED.write(path)
    plain = json.loads(path.read_text())
    assert {name: set(part) for name, part in plain.items()} == {
        "curve": {"lrs", "losses"},
        "suggestions": {"steepest", "valley", "minimum/10", "slide"},
        "bounds": {"low", "high", "suggestion", "min_lr", "reasons"},
    }
    assert plain["curve"]["losses"][0][-1] is None  # infinite, once the ramp has finished


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"curve": {}}', b"\xff", b"nan"])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lr_range.json"
    with pytest.raises(InputError, match=r"lr_range.json: no such file$"):
        read_range_test(path)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"lr_range.json: holds no range test \(\w+\)$"):
        read_range_test(path)


@pytest.mark.parametrize("part", ["curve", "suggestions", "bounds"])
def test_a_file_that_lacks_a_part_is_damaged(tmp_path: Path, part: str) -> None:
    path = tmp_path / "lr_range.json"
    MEASURED.write(path)
    path.write_text(json.dumps({name: it for name, it in json.loads(path.read_text()).items() if name != part}))
    with pytest.raises(InputError, match="holds no range test"):
        read_range_test(path)
