"""Schedules by exact numbers, by properties, and against torch's own."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ReduceLROnPlateau

from tune_s11.config import Recipe
from tune_s11.training.schedule import OneCycle, Plateau, Triangular, build_schedule

S11 = OneCycle(min_lr=0.004, max_lr=0.4, peak=5, end=24)


@st.composite
def one_cycles(draw: st.DrawFn) -> OneCycle:
    max_lr = draw(st.floats(1e-6, 100))
    end = draw(st.integers(2, 200))
    peak = draw(st.floats(0.05, 0.95)) * end
    return OneCycle(max_lr * draw(st.floats(0, 1)), max_lr, peak, end)


@pytest.mark.parametrize(
    ("epoch", "lr"),
    [
        (0, 0.004),
        (1, 0.0832),
        (2.5, 0.202),
        (5, 0.4),
        (14.5, 0.202),
        (24, 0.004),
    ],
)
def test_one_cycle_at_its_corners_and_half_way(epoch: float, lr: float) -> None:
    assert S11.lr(epoch) == pytest.approx(lr, rel=1e-12)


def test_one_cycle_stays_at_its_floor_outside_the_cycle() -> None:
    assert [S11.lr(epoch) for epoch in (-1, 24.001, 30)] == [0.004] * 3


def test_one_cycle_first_reaches_its_floor_again_after_the_last_step() -> None:
    steps = 97
    rates = [S11.lr(k / steps) for k in range(24 * steps + 1)]
    assert rates[0] == rates[-1] == 0.004
    assert min(rates[1:-1]) > 0.004


@given(one_cycles())
def test_one_cycle_starts_and_ends_at_the_floor_and_peaks_at_the_top(cycle: OneCycle) -> None:
    assert cycle.lr(0) == cycle.min_lr
    assert cycle.lr(cycle.end) == cycle.min_lr
    assert cycle.lr(cycle.peak) == pytest.approx(cycle.max_lr)


@given(one_cycles(), st.floats(-10, 300))
def test_one_cycle_never_leaves_its_bounds(cycle: OneCycle, epoch: float) -> None:
    assert cycle.min_lr <= cycle.lr(epoch) <= cycle.max_lr * (1 + 1e-12)


@given(one_cycles(), st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_one_cycle_rises_to_one_peak_and_falls(cycle: OneCycle, points: list[float]) -> None:
    epochs = sorted({point * cycle.end for point in points} | {cycle.peak})
    rates = [cycle.lr(epoch) for epoch in epochs]
    top = epochs.index(cycle.peak)
    tolerance = 1e-12 * cycle.max_lr
    assert all(later >= earlier - tolerance for earlier, later in itertools.pairwise(rates[: top + 1]))
    assert all(later <= earlier + tolerance for earlier, later in itertools.pairwise(rates[top:]))


@given(one_cycles(), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_one_cycle_is_linear_on_either_side(cycle: OneCycle, a: float, b: float, rising: bool) -> None:
    start, length = (0.0, cycle.peak) if rising else (cycle.peak, cycle.end - cycle.peak)
    first, second = start + a * length, start + b * length
    midway = (cycle.lr(first) + cycle.lr(second)) / 2
    assert cycle.lr((first + second) / 2) == pytest.approx(midway, rel=1e-9, abs=1e-12 * cycle.max_lr)


def test_triangular_zigzags() -> None:
    zigzag = Triangular(min_lr=0.1, max_lr=0.5, period=4)
    rates = [zigzag.lr(epoch) for epoch in (0, 1, 2, 3, 4, 5, 6, 7.5, 8)]
    assert rates == pytest.approx([0.1, 0.3, 0.5, 0.3, 0.1, 0.3, 0.5, 0.2, 0.1])


@given(st.floats(0, 50), st.integers(1, 5))
def test_triangular_repeats_itself(epoch: float, periods: int) -> None:
    zigzag = Triangular(min_lr=0.1, max_lr=0.5, period=4)
    assert zigzag.lr(epoch + 4 * periods) == pytest.approx(zigzag.lr(epoch))
    assert 0.1 <= zigzag.lr(epoch) <= 0.5


class TorchPlateau:
    """torch's scheduler, driven directly."""

    def __init__(self, min_lr: float, max_lr: float, patience: int, factor: float) -> None:
        self.optimizer = torch.optim.SGD([torch.zeros(1)], lr=max_lr)
        self.scheduler = ReduceLROnPlateau(self.optimizer, factor=factor, patience=patience, min_lr=min_lr)

    def after(self, loss: float) -> float:
        self.scheduler.step(loss)
        return float(self.optimizer.param_groups[0]["lr"])


LOSSES = [2.0, 1.5, 1.6, 1.7, 1.8, 1.4, 1.4, 1.4, 1.4, 1.4, 1.4, 1.4, 1.3, 1.5, 1.5, 1.5, 1.5, 1.5]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [0.4, 0.4, 0.4, 0.4, 0.04]),
        ({"plateau_patience": 1, "plateau_factor": 0.5}, [0.4, 0.4, 0.4, 0.2, 0.2]),
    ],
)
def test_plateau_is_cut_by_its_factor_once_its_patience_is_exceeded(
    fields: dict[str, float], expected: list[float]
) -> None:
    plateau = build_schedule(Recipe(schedule="plateau", max_lr=0.4, min_lr_fraction=0.0, **fields))
    rates = []
    for loss in [1.0, 1.0, 1.0, 1.0, 1.0]:
        rates.append(plateau.lr(0))
        plateau.end_epoch(loss)
    assert rates == pytest.approx(expected)


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 10), max_size=40),
    st.integers(1, 5),
    st.floats(0, 1, exclude_min=True, exclude_max=True),
)
def test_plateau_is_torchs(losses: list[float], patience: int, factor: float) -> None:
    plateau = Plateau(0.001, 0.4, patience=patience, factor=factor)
    reference = TorchPlateau(0.001, 0.4, patience, factor)
    assert plateau.lr(0) == 0.4
    for loss in losses:
        plateau.end_epoch(loss)
        assert plateau.lr(0) == reference.after(loss)


def test_plateau_stops_at_its_floor() -> None:
    plateau = Plateau(min_lr=0.03, max_lr=0.4, patience=2, factor=0.1)
    for _ in range(30):
        plateau.end_epoch(1.0)
    assert plateau.lr(0) == 0.03


@pytest.mark.parametrize("stop", range(len(LOSSES)))
def test_plateau_goes_on_from_its_state(stop: int) -> None:
    whole, first, second = (Plateau(0.0001, 0.4, patience=2, factor=0.1) for _ in range(3))
    for loss in LOSSES[:stop]:
        whole.end_epoch(loss)
        first.end_epoch(loss)
    second.load_state_dict(first.state_dict())
    for loss in LOSSES[stop:]:
        assert second.lr(0) == whole.lr(0)
        whole.end_epoch(loss)
        second.end_epoch(loss)
    assert second.state_dict() == whole.state_dict()
    assert whole.lr(0) < 0.4


def test_a_recipe_names_its_schedule() -> None:
    numbers = {"max_lr": 0.8, "min_lr_fraction": 0.25, "epochs": 12, "peak_epoch": 3}
    one_cycle = build_schedule(Recipe(schedule="one_cycle", **numbers))
    triangular = build_schedule(Recipe(schedule="triangular", **numbers))
    plateau = build_schedule(Recipe(schedule="plateau", **numbers))
    assert one_cycle == OneCycle(0.2, 0.8, peak=3, end=12)
    assert triangular == Triangular(0.2, 0.8, period=6)
    assert isinstance(plateau, Plateau)
    assert plateau.lr(0) == 0.8
    for _ in range(10):
        plateau.end_epoch(math.inf)
    assert plateau.lr(0) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("build", "line"),
    [
        (lambda: OneCycle(0.004, 0.4, peak=5, end=3), "peak 5: must be between 0 and end=3"),
        (lambda: OneCycle(0.004, 0.4, peak=0, end=3), "peak 0: must be between 0 and end=3"),
        (lambda: OneCycle(0.004, 0.4, peak=3, end=3), "peak 3: must be between 0 and end=3"),
        (lambda: OneCycle(0.4, 0.004, peak=1, end=3), "min_lr 0.4: must be between 0 and max_lr=0.004"),
        (lambda: Triangular(-0.1, 0.4, 2), "min_lr -0.1: must be between 0 and max_lr=0.4"),
        (lambda: Triangular(0.1, 0.4, 0), "period 0: must be above 0"),
    ],
)
def test_a_schedule_without_a_shape_is_refused(build: Callable[[], object], line: str) -> None:
    with pytest.raises(ValueError, match=f"^{line}$"):
        build()


@pytest.mark.parametrize("schedule", [S11, Triangular(0.1, 0.5, 4)])
def test_a_schedule_of_the_epoch_alone_keeps_nothing(schedule: OneCycle | Triangular) -> None:
    before = schedule.lr(3)
    schedule.end_epoch(1.0)
    assert schedule.state_dict() == {}
    schedule.load_state_dict({})
    assert schedule.lr(3) == before
