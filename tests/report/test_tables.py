"""The report's arithmetic."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from tune_s11.config import Recipe
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.lr_range.curve import LRCurve
from tune_s11.report import tables
from tune_s11.results import TrialResult
from tune_s11.results.lr_range import RangeTest
from tune_s11.search_space import RANGE_TEST


@pytest.mark.parametrize(
    ("max_lr", "wider"),
    [(0.011, (0.001, 1.0)), (0.0161, None), (0.1, None), (0.62, None), (0.64, (0.01, 10.0)), (1.0, (0.01, 10.0))],
)
def test_bounds_widen_within_a_tenth_of_their_width_in_log_lr(max_lr: float, wider: tuple[float, float] | None) -> None:
    found = tables.wider_bounds(max_lr, 0.01, 1.0)
    assert found == (wider if wider is None else pytest.approx(wider))


def test_bounds_are_the_spaces_or_the_range_tests() -> None:
    curve = LRCurve(np.array([0.1, 1.0]), np.array([[2.0, 1.0]]))
    measured = RangeTest(curve, {}, LRBounds(0.1, 3.0, 0.5, 0.01, {}))
    assert tables.max_lr_bounds({"max_lr": FloatDistribution(0.2, 0.4)}, measured, 0.5) == (0.2, 0.4)
    assert tables.max_lr_bounds({"max_lr": "range_test"}, measured, 0.5) == (0.1, 3.0)
    assert tables.max_lr_bounds({"max_lr": "range_test"}, None, 0.5) is None
    assert tables.max_lr_bounds({"max_lr": CategoricalDistribution([0.1, 0.2])}, measured, 0.5) is None
    assert tables.max_lr_bounds({}, measured, 0.5) is None
    measured = replace(measured, bounds=replace(measured.bounds, momentum=0.9))
    assert tables.max_lr_bounds({"max_lr": "range_test"}, measured, 0.6) == pytest.approx((0.2, 6.0))
    assert tables.max_lr_bounds({"max_lr": FloatDistribution(0.2, 0.4)}, measured, 0.6) == (0.2, 0.4)


def test_domains_hold_every_trial(make_trial: Callable[..., TrialResult]) -> None:
    curve = LRCurve(np.array([0.1, 1.0]), np.array([[2.0, 1.0]]))
    measured = RangeTest(curve, {}, LRBounds(0.1, 3.0, 0.5, 0.01, {}))
    space = {
        "max_lr": "range_test",
        "momentum": FloatDistribution(0.8, 0.9),
        "width": CategoricalDistribution([32]),
        "weight_decay": FloatDistribution(1e-4, 5e-3, log=True),
    }
    trials = [make_trial(0, params={"max_lr": 0.05, "momentum": 0.95, "width": 64, "weight_decay": 1e-3})]
    domains = tables.trial_domains(space, measured, trials)
    assert domains == {
        "max_lr": FloatDistribution(0.05, 3.0, log=True),
        "momentum": FloatDistribution(0.8, 0.95),
        "width": CategoricalDistribution([32, 64]),
        "weight_decay": FloatDistribution(1e-4, 5e-3, log=True),
    }
    assert tables.trial_domains(space, None, trials)["max_lr"] == FloatDistribution(0.05, 0.05, log=True)
    assert "momentum" not in tables.trial_domains(space, None, [*trials, make_trial(1, params={"width": 32})])
    assert tables.trial_domains(space, measured, []) == {}


def test_one_cycle_is_drawn_from_end_to_end() -> None:
    epochs, lrs = tables.schedule_points(Recipe(max_lr=0.4, min_lr_fraction=0.01), [])
    assert (epochs[0], epochs[-1]) == (0, 24)
    assert (lrs[0], lrs.max(), lrs[-1]) == pytest.approx((0.004, 0.4, 0.004))
    assert epochs[np.argmax(lrs)] == pytest.approx(5)


def test_plateau_is_drawn_as_it_turned_out(make_trial: Callable[..., TrialResult]) -> None:
    rows = [replace(row, lr=lr) for row, lr in zip(make_trial(0, [0.5, 0.6]).rows, (0.1, 0.01), strict=True)]
    epochs, lrs = tables.schedule_points(Recipe(schedule="plateau"), rows)
    assert epochs.tolist() == [0, 1, 1, 2]
    assert lrs.tolist() == [0.1, 0.1, 0.01, 0.01]


def test_what_the_range_test_fixes_is_no_domain(make_trial: Callable[..., TrialResult]) -> None:
    trial = replace(make_trial(0, [0.5]), params={"max_lr": 0.3, "min_lr_fraction": 0.01})
    domains = tables.trial_domains({"max_lr": RANGE_TEST, "min_lr_fraction": RANGE_TEST}, None, [trial])
    assert domains == {"max_lr": FloatDistribution(0.3, 0.3, log=True)}


def test_recipe_names_what_was_searched_first() -> None:
    space = {
        "max_lr": "range_test",
        "momentum": FloatDistribution(0.8, 0.98),
        "weight_decay": FloatDistribution(1e-4, 5e-3, log=True),
        "width": CategoricalDistribution([32, 64]),
    }
    rows = tables.recipe_facts(Recipe(), space, (0.1, 3.0))
    assert {row["field"]: row["searched"] for row in rows[:4]} == {
        "max_lr": "log-uniform, 0.1 to 3, by the range test",
        "momentum": "uniform, 0.8 to 0.98",
        "weight_decay": "log-uniform, 0.0001 to 0.005",
        "width": "one of 32, 64",
    }
    assert all(row["searched"] is None for row in rows[4:])


def test_optimism_compares_only_with_what_is_comparable() -> None:
    refit = {"accuracy": {"mean": 0.91}, "changed": {}}
    assert tables.optimism(0.93, 0.92, refit) == pytest.approx({"over_again": 0.01, "over_test": 0.02})
    assert tables.optimism(0.93, None, refit) == {"over_again": None, "over_test": pytest.approx(0.02)}
    larger = refit | {"changed": {"width": 64}}
    assert tables.optimism(0.93, 0.94, larger) == {"over_again": pytest.approx(-0.01), "over_test": None}
    assert tables.optimism(0.93, None, larger) is None
    assert tables.optimism(None, None, None) is None
