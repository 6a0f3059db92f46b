"""The range test: what it measures, and what is read off its curve."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_s11 import lr_finder
from tune_s11.config import InputError, Recipe
from tune_s11.data import load_dataset
from tune_s11.hardware import Hardware
from tune_s11.lr_finder import SUGGESTIONS, LRCurve, find_bounds, has_diverged, ramp, range_test, smooth
from tune_s11.trainer import TrainingData

LRS = np.geomspace(1e-4, 10, 101)
CPU = Hardware(device="cpu", precision="fp32", threads=1)
TINY = Recipe(dataset="digits", image_size=8, width=4, pad=1, cutout=2, batch_size=64, epochs=6, peak_epoch=2)


def curve(losses: np.ndarray) -> LRCurve:
    """A curve that smoothing leaves as it is: the raw losses are those whose average is ``losses``."""
    raw, average = [], 0.0
    for step, wanted in enumerate(losses, start=1):
        target = wanted * (1 - 0.9**step)
        raw.append((target - 0.9 * average) / 0.1)
        average = target
    return LRCurve(LRS, np.array([raw]))


VALLEY = curve(2.5 - 1.5 * np.exp(-((np.log10(LRS) + 1) ** 2)))  # lowest at 0.1, steepest at 10 ** (-1 - sqrt(1 / 2))


def test_ramps() -> None:
    assert ramp("exponential", 1e-3, 10, 5) == pytest.approx([1e-3, 1e-2, 1e-1, 1, 10])
    assert ramp("linear", 0, 4, 5) == pytest.approx([0, 1, 2, 3, 4])


def test_smoothing_is_a_bias_corrected_average() -> None:
    assert smooth(np.full(5, 3.0)) == pytest.approx(np.full(5, 3.0))
    assert smooth(np.array([1.0, 2.0]))[1] == pytest.approx((0.09 * 1 + 0.1 * 2) / 0.19)
    assert np.isinf(smooth(np.array([1.0, math.inf, 1.0]))).tolist() == [False, True, True]


def test_median_over_seeds_ends_where_most_ramps_end() -> None:
    losses = np.full((3, 101), 2.0)
    losses[0, 50:] = losses[1, 80:] = math.inf
    assert np.flatnonzero(np.isinf(LRCurve(LRS, losses).loss))[0] == 80


def test_suggestions_by_hand() -> None:
    assert SUGGESTIONS["minimum/10"](VALLEY) == pytest.approx(0.01)
    assert SUGGESTIONS["steepest"](VALLEY) == pytest.approx(10 ** (-1 - math.sqrt(0.5)), rel=0.15)
    # The loss falls over the first 60 of 100 steps: a third is 20, and half of that again 10.
    assert SUGGESTIONS["valley"](VALLEY) == pytest.approx(LRS[30])
    line = curve(np.linspace(5, 4.9, 101))  # slopes agree at once
    assert SUGGESTIONS["slide"](line) == pytest.approx(LRS[85])


@given(st.integers(0, 2**32 - 1), st.integers(12, 101))
def test_suggestions_and_bounds_stay_on_the_curve(seed: int, end: int) -> None:
    losses = np.full((2, 101), math.inf)
    losses[:, :end] = np.linspace(3, 1, end) + np.random.default_rng(seed).normal(0, 0.1, (2, end))
    noisy = LRCurve(LRS, losses)
    for name, rule in SUGGESTIONS.items():
        assert LRS[0] / 10 <= rule(noisy) <= LRS[end - 1], name
    bounds = find_bounds(noisy)
    assert 0 < bounds.low < bounds.suggestion < bounds.high < LRS[end - 1]
    assert math.log10(bounds.high / bounds.low) < 1.5
    assert bounds.high / bounds.suggestion == pytest.approx(bounds.suggestion / bounds.low)
    assert bounds.min_lr <= LRS[end - 1]
    assert bounds.reasons.keys() == {"low", "high", "suggestion", "min_lr"}
    assert ("without diverging" in bounds.reasons["high"]) == (end == 101)


def test_a_climb_that_heals_does_not_count() -> None:
    losses = np.concatenate(
        [np.linspace(3, 2, 50), np.linspace(5, 3, 10), np.linspace(2.4, 2.2, 31), np.full(10, math.inf)]
    )
    healing = LRCurve(LRS, losses[None])
    assert find_bounds(healing).high == pytest.approx(LRS[90] / lr_finder.MARGIN)


def test_a_flat_curve_says_nothing() -> None:
    with pytest.raises(InputError, match="--lr-bounds LOW HIGH"):
        find_bounds(curve(np.full(101, 2.3)))


def test_divergence() -> None:
    assert has_diverged(np.array([2.0, math.nan]))
    assert has_diverged(np.array([2.0] * 20 + [500.0]))
    assert not has_diverged(np.array([2.0] * 20 + [8.0]))


def test_round_trip() -> None:
    losses = np.array([[1.0, 2.0, math.inf], [1.5, 0.25, 3.0]])
    again = LRCurve.from_dict(json.loads(json.dumps(LRCurve(LRS[:3], losses).to_dict())))
    assert np.array_equal(again.losses, losses)
    assert np.array_equal(again.lrs, LRS[:3])


def test_measures_a_fresh_model_until_it_diverges() -> None:
    data = TrainingData.to_choose(load_dataset(TINY), TINY, seed=0)
    lrs = ramp("exponential", 1e-3, 1e6, 40)
    first, again, other = (range_test(TINY, data, CPU, lrs, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    end = int(np.flatnonzero(np.isinf(first))[0])
    assert 10 < end < 40
    assert np.isinf(first[end:]).all()
    assert np.isfinite(first[:end]).all()


def test_command_writes_the_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "lr.json"
    tiny = [f"--set={key}={getattr(TINY, key)}" for key in ("image_size", "width", "pad", "cutout")]
    arguments = [
        "lr",
        "--space",
        "quick",
        "--out",
        str(out),
        "--set",
        "search.lr_range_steps=60",
        "--threads",
        "1",
        *tiny,
    ]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as exit:
        lr_finder.main()
    assert exit.value.code == 0
    plain = json.loads(out.read_text())
    assert plain["suggestions"].keys() == SUGGESTIONS.keys()
    assert f"high         {plain['bounds']['high']:.4g}" in capsys.readouterr().out
