"""The range test on disk: ``lr_range.json``."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tune_s11.config import InputError
from tune_s11.lr_range.bounds import bounds_of
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.cycles import Cycle, Outcome
from tune_s11.lr_range.rule import Answer
from tune_s11.lr_range.suggestions import SUGGESTIONS
from tune_s11.results.lr_range import RangeTest, read_cycles, read_range_test, write_cycles

LOSSES = np.stack([np.append(np.linspace(3, 1, 39), math.inf), np.linspace(3, 1.5, 40)])
CURVE = LRCurve(np.geomspace(1e-4, 10, 40), LOSSES)
CYCLES = {Cycle(2, 0.1, 5): Outcome(0.5, 1.25, 2), Cycle(2, 10.0, 5): Outcome(None, None, 1)}
ANSWER = Answer(0.01, 1.0, 0.1, unsure=False, reasons={"low": "", "high": "", "suggestion": ""})
MEASURED = RangeTest.of(CURVE, CYCLES, ANSWER, 0.01)


def test_suggestions_follow_from_the_curve_and_bounds_from_the_cycles() -> None:
    assert MEASURED.suggestions == {name: rule(CURVE) for name, rule in SUGGESTIONS.items()}
    assert MEASURED.bounds == bounds_of(ANSWER, CURVE, 0.01)
    flat = LRCurve(CURVE.lrs, np.full((1, 40), 2.3))
    assert RangeTest.of(flat, CYCLES, ANSWER, 0.01).suggestions == {}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lr_range.json"
    MEASURED.write(path)
    again = read_range_test(path)
    assert again.curve is not None
    assert np.array_equal(again.curve.lrs, CURVE.lrs)
    assert np.array_equal(again.curve.losses, CURVE.losses)
    assert (again.suggestions, again.bounds) == (MEASURED.suggestions, MEASURED.bounds)
    assert again.cycles == CYCLES


def test_a_test_without_ramps_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "lr_range.json"
    measured = RangeTest.of(None, CYCLES, ANSWER, 0.02)
    measured.write(path)
    assert read_range_test(path) == measured
    assert (measured.curve, measured.suggestions) == (None, {})
    assert measured.bounds.min_lr == pytest.approx(0.02 * ANSWER.first)


def test_a_test_of_an_earlier_version_has_no_cycles(tmp_path: Path) -> None:
    path = tmp_path / "lr_range.json"
    MEASURED.write(path)
    plain = json.loads(path.read_text())
    del plain["cycles"], plain["bounds"]["unsure"]
    path.write_text(json.dumps(plain))
    again = read_range_test(path)
    assert again.cycles == {}
    assert again.bounds == MEASURED.bounds


def test_cycles_of_a_test_in_progress_are_read_as_far_as_they_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "lr_range.jsonl"
    assert read_cycles(path) == {}
    write_cycles(path, CYCLES)
    assert read_cycles(path) == CYCLES
    odd = '{"epochs": 3, "max_lr": "high", "seed": 5, "accuracy": 0.5, "loss": 1.25, "trained": 2}'
    path.write_text(path.read_text()[:-20] + f'\n{{"epochs": 3}}\n{odd}\n')
    assert read_cycles(path) == dict(list(CYCLES.items())[:1])


def test_the_file_is_a_format(tmp_path: Path) -> None:
    path = tmp_path / "lr_range.json"
    MEASURED.write(path)
    plain = json.loads(path.read_text())
    (cycle, _) = plain.pop("cycles")
    assert cycle == {"epochs": 2, "max_lr": 0.1, "seed": 5, "accuracy": 0.5, "loss": 1.25, "trained": 2}
    assert {name: set(part) for name, part in plain.items()} == {
        "curve": {"lrs", "losses"},
        "suggestions": {"steepest", "valley", "minimum/10", "slide"},
        "bounds": {"low", "high", "suggestion", "min_lr", "reasons", "unsure", "momentum"},
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


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("bounds", {"low": "a tenth", "high": 1, "suggestion": 0.3, "min_lr": 0.01, "reasons": {}}),
        ("cycles", [{"epochs": 2, "max_lr": 0.1, "seed": 5, "accuracy": "half", "loss": 1.25, "trained": 2}]),
        ("curve", {"lrs": ["low", "high"], "losses": [[1, 2]]}),
        ("curve", {"lrs": [0.1, 1], "losses": [[1, 2], [1]]}),
    ],
)
def test_a_value_of_another_kind_is_one_line(tmp_path: Path, part: str, value: object) -> None:
    path = tmp_path / "lr_range.json"
    MEASURED.write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {part: value}))
    with pytest.raises(InputError, match=r"lr_range.json: holds no range test \(\w+\)$"):
        read_range_test(path)


def test_a_test_has_ramps_or_cycles(tmp_path: Path) -> None:
    path = tmp_path / "lr_range.json"
    MEASURED.write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"curve": None, "cycles": []}))
    with pytest.raises(InputError, match=r"holds no range test \(neither ramps nor cycles\)$"):
        read_range_test(path)


@pytest.mark.parametrize("part", ["curve", "suggestions", "bounds"])
def test_a_file_that_lacks_a_part_is_damaged(tmp_path: Path, part: str) -> None:
    path = tmp_path / "lr_range.json"
    MEASURED.write(path)
    path.write_text(json.dumps({name: it for name, it in json.loads(path.read_text()).items() if name != part}))
    with pytest.raises(InputError, match="holds no range test"):
        read_range_test(path)
