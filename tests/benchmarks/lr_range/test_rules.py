import numpy as np
import pytest

from benchmarks.lr_range.recording import Bench
from benchmarks.lr_range.rules import (
    ON_RAMPS,
    best_constant,
    constant,
    constants_of_others,
    halving,
    replaced_test,
    steepest_gradient,
    this_program,
)
from benchmarks.ramps.bounds import find_bounds
from tests.benchmarks.lr_range.synthetic_recording import recording
from tune_s11.lr_range.curve import LRCurve


def test_halving_finds_the_best_of_every_second_rate() -> None:
    bench = Bench(recording("vgg-m0-b32", 0.1))
    assert halving(bench).first == pytest.approx(0.1, rel=2.2)
    assert halving(bench).first in bench.recording.condition.rates[::2]
    assert bench.epochs == 2 * (9 * 1 + 4 * 2 + 2 * 4)


def test_halving_passes_over_rates_that_diverge() -> None:
    assert halving(Bench(recording("vgg-m0-b32", 0.1, dies_above=0.05))).first == pytest.approx(0.04642)


def test_constants_are_chosen_by_other_networks_alone() -> None:
    here, other = recording("mlp-m0-b32", 0.001), recording("vgg-m0-b32", 1.0)
    same = recording("mlp-m0.9-b64", 0.001)
    adamw = recording("vgg-adamw-b64", 0.01)
    chosen = constants_of_others([here, other, same, adamw])
    assert chosen["mlp-m0-b32"](Bench(here)).first == pytest.approx(1.0)
    assert chosen["vgg-m0-b32"](Bench(other)).first == pytest.approx(0.001)
    assert "vgg-adamw-b64" not in chosen  # No other network was recorded with AdamW.


def test_the_best_constant_costs_least() -> None:
    recordings = [recording("mlp-m0-b32", 0.01), recording("vgg-m0-b32", 0.1), recording("plain-m0-b32", 0.1)]
    assert best_constant(recordings, 0.0) == pytest.approx(0.1)


def test_a_scaled_constant_is_the_step_once_momentum_has_built_up() -> None:
    rule = constant(0.5, 1.0)
    assert rule(Bench(recording("vgg-m0.9-b64", 0.1))).first == pytest.approx(0.05)
    assert rule(Bench(recording("vgg-m0-b32", 0.1))).first == 0.5
    assert rule(Bench(recording("vgg-adamw-b64", 0.1))).first == 0.5
    assert constant(0.5, 0.5)(Bench(recording("vgg-m0.9-b64", 0.1))).first == pytest.approx(0.5 * 0.1**0.5)


@pytest.mark.parametrize("name", ON_RAMPS)
def test_rules_read_the_ramps_or_refuse(name: str) -> None:
    first = ON_RAMPS[name](Bench(recording("vgg-m0-b32", 0.1))).first
    assert first is not None
    assert 1e-3 < first < 3
    assert ON_RAMPS[name](Bench(recording("vgg-m0-b32", 0.1, dies_above=1e-9))).first is None


def test_the_replaced_test_answers_its_bounds_or_refuses() -> None:
    found = recording("vgg-m0-b32", 0.1)
    bounds = find_bounds(found.curve)
    assert replaced_test(Bench(found)) == (bounds.suggestion, (bounds.low, bounds.high), False)
    assert replaced_test(Bench(recording("vgg-m0-b32", 0.1, dies_above=1e-9))).first is None


@pytest.mark.parametrize("trials", [1, 2, 3])
def test_this_program_is_asked_as_a_search_asks_it(trials: int) -> None:
    bench = Bench(recording("vgg-m0-b32", 0.1))
    answer = this_program(trials)(bench)
    assert answer.first == pytest.approx(0.1, rel=0.8)
    assert answer.bounds is not None
    assert answer.bounds[0] < 0.1 < answer.bounds[1]
    assert not answer.unsure
    assert bench.epochs <= 12 * trials


def test_the_steepest_gradient_is_that_of_the_smoothed_first_ramp() -> None:
    rates = np.geomspace(1e-3, 1.0, 60)
    losses = np.where(np.arange(60) < 30, 2.0, 1.0)  # The average falls fastest at the step itself.
    ramps = np.stack([losses, np.full(60, 9.0)])
    assert steepest_gradient(LRCurve(rates, ramps)) in (pytest.approx(rates[29]), pytest.approx(rates[30]))
