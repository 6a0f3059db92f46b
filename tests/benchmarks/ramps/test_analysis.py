"""On curves and sweeps made up so that best rate, bounds and what carries over are known."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from benchmarks.ramps.analysis import (
    RULES,
    Condition,
    Measured,
    Sweep,
    collect,
    compare_momenta,
    pytorch_lr_finder,
    try_rule,
)
from benchmarks.ramps.tables import judge, tell
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.measuring import ramp

RATES = np.geomspace(0.01, 10, 19)
LRS = ramp("exponential", 1e-4, 10, 100)


def sweep(best: float, diverged_from: float = np.inf) -> Sweep:
    """A parabola over log LR with its top at ``best``."""
    accuracies = np.clip(0.8 - 0.2 * np.log10(RATES / best) ** 2, 0.1, 1)
    return Sweep(RATES, np.where(diverged_from <= RATES, 0.0, accuracies), 5000)


def ramps(end: float, seeds: int = 10, jitter: float = 1.0) -> LRCurve:
    """A loss that falls steadily from 1e-3 on until it diverges at ``end``, of every other seed later by ``jitter``."""
    losses = np.tile(np.interp(np.log(LRS), np.log([1e-3, 1.0]), [2.3, 1.0]), (seeds, 1))
    for seed, losses_of_seed in enumerate(losses):
        losses_of_seed[end * (jitter if seed % 2 else 1) < LRS] = np.inf
    return LRCurve(LRS, losses)


def measured(best: float, end: float, momentum: float = 0.9, diverged_from: float = np.inf, **others: Any) -> Measured:
    rates = sweep(best, diverged_from)
    fractions = Sweep(np.array([1e-4, 1e-2, 0.5]), np.array([0.8, 0.79, 0.5]), 5000)
    condition = Condition("cifar10", 16, 128, momentum)
    return Measured(condition, rates, fractions, ramps(end, **others))


def test_the_plateau_is_what_noise_does_not_tell_from_the_top() -> None:
    found = sweep(0.4)
    assert found.best == pytest.approx(0.4, rel=0.2)
    low, high = found.plateau
    assert low <= found.best <= high
    error = np.sqrt(0.8 * 0.2 / 5000)
    inside = found.accuracies[(low <= RATES) & (high >= RATES)]
    assert inside.min() > 0.8 - 2 * error
    wider = replace(found, images=100).plateau
    assert wider[0] < low
    assert wider[1] > high
    assert sweep(10.0).best == pytest.approx(10, rel=0.3)


def test_one_lucky_training_is_not_the_best() -> None:
    found = sweep(0.4)
    found.accuracies[0] = 0.83
    assert found.best == pytest.approx(0.4, rel=0.2)


def test_a_training_that_diverged_is_no_part_of_the_plateau_and_does_not_pull_its_neighbour_down() -> None:
    assert sweep(1.0).plateau[1] > 1.2
    assert sweep(1.0, diverged_from=1.2).plateau[1] == pytest.approx(1.0)
    assert Sweep(RATES, np.zeros(19), 100).plateau == (RATES[0], RATES[-1])


def test_points_lost_beside_the_best() -> None:
    found = sweep(0.4)
    assert found.lost(found.best) == pytest.approx(0, abs=0.2)
    assert found.lost(4.0) == pytest.approx(20, abs=1)  # a decade off
    assert found.lost(1e-9) == found.lost(RATES[0]) > found.lost(0.1)
    assert np.isnan(found.lost(np.nan))


def test_what_fails_has_too_high_a_rate() -> None:
    values = [0.01, 0.1, 1.0, 10.0, 100.0]
    found = Sweep(np.array(values), np.array([0.2, 0.9, 0.8, 0.4, 0.0]), 5000).failed
    assert found.tolist() == [False, False, False, True, True]  # the first is only slow


def test_bounds_come_from_three_seeds_and_from_each() -> None:
    found = measured(0.4, end=2.0, jitter=1.3)
    assert found.bounds is not None
    last = LRS[LRS <= 2.0][-1]
    assert found.bounds.high == pytest.approx(last / 5)  # of seeds 0 to 2 the median
    for seeds, choices in ((1, 10), (3, 120)):
        told = found.bounds_of(seeds)
        assert len(told) == choices
        highs = {round(bounds.high, 6) for bounds in told if bounds is not None}
        assert highs == {round(last / 5, 6), round(LRS[LRS <= 2.6][-1] / 5, 6)}
    flat = replace(found, ramps=LRCurve(LRS, np.full((3, 100), 2.3)))
    assert (flat.bounds, flat.bounds_of(1), flat.bounds_of(5)) == (None, [None] * 3, [None])


def test_the_goals_by_hand() -> None:
    good = [measured(0.12, end=2.0, momentum=0.8 + k / 100) for k in range(12)]  # bounds 0.013 to 0.4, first 0.073
    told = judge(good)
    assert told["met"]
    assert told["goals"]["span_in_decades"]["value"] == pytest.approx(np.log10(30), abs=1e-3)
    assert told["goals"]["spread_over_seeds"]["value"] == 1.0
    assert not judge(good[:11])["goals"]["conditions"]["met"]
    outside = judge([*good[:11], measured(1.5, end=2.0)])["goals"]
    assert outside["bounds_hold_the_best"] == {"value": 0.917, "goal": 1.0, "met": False}
    assert outside["suggestion_within_2x"]["value"] == 0.917
    assert judge([measured(0.12, end=2.0, jitter=1.8)])["goals"]["spread_over_seeds"]["value"] > 1.5
    silent = replace(good[0], ramps=LRCurve(LRS, np.full((10, 100), 2.3)))
    assert not any(judge([silent])["goals"][name]["met"] for name in ("bounds_hold_the_best", "spread_over_seeds"))


def test_a_rule_that_is_always_off_by_one_factor_is_right_as_a_multiple() -> None:
    shifted = [measured(best, end=30 * best) for best in (0.03, 0.1, 0.3)]  # suggestion at 1.1 x best
    off = [replace(each, rates=sweep(each.rates.best / 3)) for each in shifted]
    assert try_rule("the program's", shifted).within(2.5) == 1.0
    assert try_rule("the program's", off).within(2) == 0.0
    assert try_rule("the program's", off).within(2, scaled=True) == 1.0


def test_every_rule_is_tried_and_one_that_has_no_answer_is_wrong() -> None:
    for rule in RULES:
        result = try_rule(rule, [measured(0.4, end=2.0)])
        assert np.isfinite(result.ratios).all()
        assert result.spreads == pytest.approx([1.0])
        assert 0 <= result.lost[0] < 100
    short = replace(measured(0.4, end=2.0), ramps=LRCurve(LRS[:8], np.full((10, 8), 2.3)))
    for rule in ("the program's", "pytorch-lr-finder"):
        result = try_rule(rule, [short])
        assert (result.within(2), result.within(2, scaled=True)) == (0.0, 0.0)
        assert np.isnan(result.typical)
        assert np.isnan(result.lost).all()
        assert result.spreads.tolist() == [np.inf]


def test_pytorch_lr_finder_leaves_out_both_ends() -> None:
    losses = np.concatenate(
        [[5.0], np.full(29, 2.3), np.linspace(2.3, 0.5, 10), np.full(55, 0.5), [0.4, 0.3, 0.2, 0.1, -9]]
    )
    curve = LRCurve(LRS, losses[None])
    assert LRS[29] <= pytorch_lr_finder(curve) <= LRS[50]


def test_what_scales_with_one_less_momentum_carries_over_in_the_effective_rate() -> None:
    """Best max_lr, range test and edge of divergence all at one effective rate."""
    group = [measured(4 * (1 - m), end=60 * (1 - m), momentum=m, diverged_from=20 * (1 - m)) for m in (0.8, 0.9, 0.95)]
    (found,) = compare_momenta(group)
    assert found.name == "cifar10, width 16, batch 128"
    assert found.ranges[0] == pytest.approx(4, rel=0.3)
    assert found.ranges[1] < 1.5
    assert found.misplaced[0] > 0.005
    assert found.misplaced[1] < 0.002
    plain, effective, pairs = found.carried
    assert (pairs, effective) == (6, 6)
    assert plain <= effective
    assert compare_momenta(group[:1]) == []
    others = [replace(each, condition=replace(each.condition, width=8)) for each in group]
    first, second, whole = compare_momenta([*group, *others])
    assert (first.ranges, second.name, whole.name) == (second.ranges, "cifar10, width 8, batch 128", "all")
    assert whole.ranges == pytest.approx(found.ranges)
    assert whole.carried[2] == 30


def test_only_what_is_measured_completely_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    whole = measured(0.12, end=2.0)
    lines: list[dict[str, Any]] = []
    for condition in (whole.condition, replace(whole.condition, momentum=0.8)):
        of = {"condition": asdict(condition)}
        lines += [of | {"what": "ramp", "seed": k, "losses": whole.ramps.to_dict()["losses"][k]} for k in range(10)]
        for what, sweep_ in (("max_lr", whole.rates), ("min_lr_fraction", whole.fractions)):
            points = zip(sweep_.values.tolist(), sweep_.accuracies.tolist(), strict=True)
            lines += [of | {"what": what, what: value, "accuracy": accuracy} for value, accuracy in points]
    header = {"of": {"lrs": LRS.tolist(), "rates": 19, "fractions": 3, "seeds": 10, "images": {"apart": 5000}}}
    generator = np.random.default_rng(0)
    (found,) = collect(header, [lines[k] for k in generator.permutation(len(lines)) if k != len(lines) - 1])
    assert found.condition == whole.condition
    assert found.rates.best == whole.rates.best
    assert found.ramps.losses.tolist() == whole.ramps.losses.tolist()
    both = collect(header, lines)
    assert [each.condition.momentum for each in both] == [0.8, 0.9]
    tell(both)
    told = capsys.readouterr().out
    assert "max_lr (n = 2 conditions)" in told
    assert "\npytorch-lr-finder " in told
    assert "\ncifar10, width 16, batch 128 " in told
