"""What is read off recorded lengths: the fewest epochs to a target, and the epochs that one recipe saves."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.headline.compare_lengths import (
    Interval,
    as_accurate_in,
    fewest,
    gain,
    main,
)
from benchmarks.headline.lengths import LENGTHS
from tune_s11.config import InputError

CURVE = {5: 0.80, 6: 0.82, 9: 0.86, 12: 0.88, 16: 0.89, 24: 0.90}

MANIFEST: dict[str, Any] = {
    "created": "2026-11-30T11:27:52+00:00",
    "python": "3.12.1",
    "packages": {"torch": "2.15.0"},
    "machine": {"cpu": "a processor", "cores": 2, "gpus": []},
}


def scores(curve: dict[int, float], shifts: tuple[float, ...] = (-0.001, 0.0, 0.001)) -> dict[int, dict[int, float]]:
    return {epochs: {seed: mean + shift for seed, shift in enumerate(shifts)} for epochs, mean in curve.items()}


@given(st.sampled_from(LENGTHS))
def test_at_its_own_accuracy_a_recipe_has_its_own_length(epochs: int) -> None:
    found = as_accurate_in(scores(CURVE), scores(CURVE), epochs)
    assert found == pytest.approx(Interval(epochs, epochs, epochs), rel=0.002)


@given(st.lists(st.floats(0.7, 0.95), min_size=2, max_size=2), st.floats(0.0, 0.05))
def test_more_accuracy_takes_no_fewer_epochs(levels: list[float], spread: float) -> None:
    recipe = scores(CURVE, (-spread, 0.0, spread))
    less, more = (as_accurate_in(recipe, scores({24: level}), 24) for level in sorted(levels))
    assert less is not None
    assert more is not None
    for found in (less, more):
        assert 5 <= found.low <= found.value <= found.high
    assert all(one <= other for one, other in zip(less, more, strict=True))


def test_an_accuracy_beyond_the_last_length_takes_more_than_that() -> None:
    found = as_accurate_in(scores(CURVE), scores({24: 0.91}), 24)
    assert found is not None
    assert found.value == math.inf


def test_the_interval_is_that_of_a_paired_t_test() -> None:
    """After 12 epochs the recipe is as accurate as the other one, with a standard error of 0.002 / sqrt(3)."""
    better = {epochs: mean + 0.02 for epochs, mean in CURVE.items()}
    found = as_accurate_in(scores(better, (-0.003, 0, 0.003)), scores(CURVE), 24)
    assert found is not None
    half = 4.303 * 0.002 / math.sqrt(3)
    assert found.low == pytest.approx(12 * (9 / 12) ** (half / 0.02), rel=0.002)
    assert found.high == pytest.approx(12 * (16 / 12) ** (half / 0.01), rel=0.002)
    noisy = as_accurate_in(scores(better, (-0.03, 0, 0.03)), scores(CURVE), 24)
    assert noisy is not None
    assert noisy.high == math.inf  # the longest length is better by 0.02, less than half the interval


def test_one_seed_in_common_has_no_interval() -> None:
    assert as_accurate_in(scores(CURVE, (0.0,)), scores(CURVE), 24) is None
    assert as_accurate_in(scores(CURVE), {}, 24) is None
    assert as_accurate_in(scores({6: 0.9}), scores(CURVE), 6) is None


def test_a_length_reaches_the_target_if_its_lower_limit_does() -> None:
    assert fewest(scores(CURVE), 0.875) == 12
    assert fewest(scores(CURVE), 0.8799) == 16  # the mean of twelve epochs does, its limit does not
    assert fewest(scores(CURVE, (0.0,)), 0.5) is None
    assert fewest({}, 0.5) is None


def test_a_gain_is_paired_by_seed() -> None:
    better = {24: {seed: 0.91 + score for seed, score in enumerate((-0.002, -0.001, 0.001))}}
    found = gain(better, scores(CURVE), 24)
    assert found is not None
    assert found.mean == pytest.approx(100 * (0.01 - 0.002 / 3))
    assert found.high - found.mean == pytest.approx(4.303 * 100 * 0.001 / 3, rel=1e-3)
    assert gain(better, scores(CURVE), 12) is None
    assert gain(better, {24: {0: 0.9, 7: 0.9}}, 24) is None


def record(folder: Path, kind: str, more: float = 0.0, curve: dict[int, float] = CURVE, **of: Any) -> None:
    """Write a recording whose accuracies are those of the curve, and more."""
    rows = [
        {
            "epochs": epochs,
            "seed": seed,
            "test": score + more,
            "validation": [score] * epochs,
            "steps": 87 * epochs,
            "seconds": 30.0 * epochs,
        }
        for epochs, by_seed in scores(curve).items()
        for seed, score in by_seed.items()
    ]
    recipe = {"model": "s11", "width": 16}
    header = {"of": {"recipe": recipe, "images": 45000, "hardware": {}, "processor": "AMX"} | of, "manifest": MANIFEST}
    folder.mkdir(exist_ok=True)
    (folder / f"{kind}-s11-16.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [header, *rows]))


def test_table_page_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recordings = tmp_path / "recordings"
    record(recordings, "cycle", 0.02)
    record(recordings, "steps")
    found = {"cycle-s11": {"fields": {}, "width": 16, "trials": 9, "epochs": 80}}
    (recordings / "recipes.json").write_text(json.dumps(found))
    main(recordings=recordings, out=tmp_path)
    said = capsys.readouterr().out
    assert "| one cycle, tuned | 82.00 ± 0.10 (n = 3) |" in said
    assert "| training steps | 435 | 522 |" in said
    assert "| minutes of the fastest run | 2.5 | 3.0 |" in said
    assert "- one cycle, tuned: 90% in 16 epochs" in said
    assert "- reduce on plateau, tuned: 90% in none of these lengths" in said
    assert re.search(
        r"- one cycle, tuned: 12.0 epochs \(.* are as accurate as 24 epochs of reduce on plateau, tuned", said
    )
    assert "- one cycle, tuned: 2.00 ± 0.00 percentage points above reduce on plateau, tuned (after 24" in said
    assert "untuned" not in said
    assert "- the search of one cycle, tuned: 9 trials, 80 epochs" in said
    page = (tmp_path / "results.md").read_text()
    assert "\n## How short the training may be: s11 at width 16\n" in page
    assert "](lengths-s11-16.png)\n" in page
    assert (tmp_path / "lengths-s11-16.png").stat().st_size > 10_000


def test_other_processors_and_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no recordings of s11 at width 16"):
        main(recordings=tmp_path)
    record(tmp_path, "cycle")
    record(tmp_path, "steps", processor="AVX2")
    with pytest.raises(InputError, match=r"processor differs, \{'cycle': 'AMX', 'steps': 'AVX2'\}"):
        main(recordings=tmp_path)
    record(tmp_path, "steps", images=50000)
    with pytest.raises(InputError, match="images differs"):
        main(recordings=tmp_path)


def test_beyond_the_longest_length_is_no_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path, "cycle")
    record(tmp_path, "untuned", 0.02)
    main(recordings=tmp_path)
    said = capsys.readouterr().out
    assert (
        "more than 24 epochs (more than 24 to more than 24) are as accurate as 24 epochs of one cycle, untuned" in said
    )
