"""Pruning policies: where they may stop a trial, whom they stop, and what that saves at most."""

import math
from collections.abc import Hashable, Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.schedulers.async_hyperband import _Bracket

from tune_s11.config import InputError, SearchSettings
from tune_s11.pruning import NoPruning, Policy, Rung, Rungs, SuccessiveHalving, Verdicts, build_policy
from tune_s11.search_space import load_space


class OfRay:
    """The verdicts of Ray's own bracket.

    Args:
        grace: Epoch of the first rung.
        factor: Between rungs.
        epochs: Length of a complete trial.
    """

    def __init__(self, grace: int, factor: float, epochs: int) -> None:
        self.bracket = _Bracket(grace, epochs, factor, 0)

    def keeps(self, trial: Hashable, epoch: int, score: float) -> bool:
        action = self.bracket.on_result(SimpleNamespace(trial_id=trial), epoch, score)  # type: ignore[arg-type]
        return action == TrialScheduler.CONTINUE

    def trials(self, epoch: int) -> set[Hashable]:
        return next(set(recorded) for at, recorded in self.bracket._rungs if at == epoch)


# Which policy, and its rungs.


def test_settings_name_the_policy() -> None:
    settings = SearchSettings(grace=2, factor=3)
    policies: list[Policy] = [build_policy(settings, 24), build_policy(SearchSettings(scheduler="none"), 24)]
    assert policies == [SuccessiveHalving(2, 3.0, 24), NoPruning()]


def test_a_policy_that_is_not_built_is_no_other_one() -> None:
    settings = SearchSettings.model_construct(scheduler="hyperband", grace=2, factor=3)  # as if its name were allowed
    with pytest.raises(AssertionError, match="hyperband"):
        build_policy(settings, 24)


def test_rungs_of_the_shipped_defaults() -> None:
    assert build_policy(SearchSettings(), 24).rungs == (4, 12)
    assert SuccessiveHalving(2, 3, 24).rungs == (2, 6, 18)
    shipped = {name: load_space(name).policy.rungs for name in ("s11", "quick", "wide")}
    assert shipped == {"s11": (4, 12), "quick": (4, 8), "wide": (4, 12)}


@pytest.mark.parametrize(
    ("grace", "factor", "epochs", "rungs"),
    [
        (8, 3.0, 24, (8,)),
        (2, 3.0, 24, (2, 6, 18)),
        (4, 2.0, 12, (4, 8)),
        (1, 1.5, 5, (1, 2, 3, 4)),
        (4, 1.1, 9, (4, 5, 6, 7, 8)),  # 4, 4.4, 4.84, 5.3, ...
        (2, 2.0, 8, (2, 4)),
    ],
)
def test_rungs_lie_before_the_last_epoch(grace: int, factor: float, epochs: int, rungs: tuple[int, ...]) -> None:
    assert build_policy(SearchSettings(grace=grace, factor=factor), epochs).rungs == rungs


def test_no_rungs_without_asha() -> None:
    assert build_policy(SearchSettings(scheduler="none"), 24).rungs == ()


@given(st.integers(1, 30), st.floats(1.2, 5), st.integers(2, 200))
def test_rungs_are_those_of_ray(grace: int, factor: float, epochs: int) -> None:
    if grace >= epochs:
        return
    policy = SuccessiveHalving(grace, factor, epochs)
    scheduler = ASHAScheduler(time_attr="epoch", max_t=epochs, grace_period=grace, reduction_factor=factor)
    of_ray = sorted(milestone for milestone, _ in scheduler._brackets[0]._rungs)
    assert policy.rungs[0] == grace
    # Ray counts its rungs by a rounded logarithm, so that one close to the end may be its or ours alone.
    # Of those that a small factor puts at the same epoch, Ray keeps all.
    for ours, theirs in zip(policy.rungs, dict.fromkeys(map(math.ceil, of_ray)), strict=False):
        assert ours == theirs
    assert 1 <= policy.greatest_saving <= epochs / grace


def test_greatest_saving_computed_manually() -> None:
    assert SuccessiveHalving(8, 3, 24).greatest_saving == pytest.approx(24 / (8 + 16 / 3))
    assert SuccessiveHalving(2, 3, 24).greatest_saving == pytest.approx(24 / (2 + 4 / 3 + 12 / 9 + 6 / 27))
    assert SuccessiveHalving(24, 3, 24).greatest_saving == 1


def test_a_policy_must_have_a_rung_before_the_last_epoch() -> None:
    SuccessiveHalving(7, 3, 8).check()
    with pytest.raises(InputError) as caught:
        SuccessiveHalving(8, 3, 8).check()
    assert str(caught.value) == "search.grace: 8: must be less than epochs=8, or scheduler: none"


def test_a_policy_describes_itself() -> None:
    default, other = build_policy(SearchSettings(), 24), SuccessiveHalving(4, 2.5, 8)
    assert default.describe() == "ASHA: rungs at epoch 4, 12, factor 3; saves at most 3.0x the epochs"
    assert other.describe() == "ASHA: rungs at epoch 4, factor 2.5; saves at most 1.4x the epochs"


@pytest.mark.parametrize("factor", [1.5, 2, 3, 4])
def test_of_many_trials_the_first_rung_stops_the_share_that_the_policy_names(factor: float) -> None:
    policy = SuccessiveHalving(4, factor, 24)
    assert policy.first_stops == pytest.approx(1 - 1 / factor)
    verdicts = policy.start()
    scores = np.random.default_rng(0).random(4000).tolist()
    stopped = sum(not verdicts.keeps(trial, 4, score) for trial, score in enumerate(scores))
    assert stopped / 4000 == pytest.approx(policy.first_stops, abs=0.03)


def test_without_pruning_every_trial_runs_to_its_last_epoch() -> None:
    policy = NoPruning()
    policy.check()
    assert (policy.rungs, policy.first_stops, policy.greatest_saving, policy.describe()) == ((), 0.0, 1.0, None)
    verdicts: Verdicts = policy.start()
    assert all(verdicts.keeps(trial, epoch, -float(trial)) for trial in range(30) for epoch in range(1, 25))


# Verdicts.


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_a_rung_decides_as_rays(factor: int, seed: int) -> None:
    """Values on the grid of 2,000 validation images and of 20, where most are ties."""
    generator = np.random.default_rng(seed)
    for grid in (2000, 20):
        of_ray, rung = OfRay(8, factor, 24), Rung(factor)
        for trial, score in enumerate((generator.integers(grid, size=100) / grid).tolist()):
            assert rung.keeps(trial, score) == of_ray.keeps(trial, 8, score)
        assert rung.trials == of_ray.trials(8) == set(range(100))


SCORES = st.one_of(st.integers(0, 20).map(lambda right: right / 20), st.floats(0, 1))


@given(st.floats(1.01, 10), st.lists(SCORES, max_size=40))
def test_a_rung_decides_as_rays_on_any_scores(factor: float, scores: Sequence[float]) -> None:
    of_ray, rung = OfRay(8, factor, 24), Rung(factor)
    for trial, score in enumerate(scores):
        assert rung.keeps(trial, score) == of_ray.keeps(trial, 8, score)


@given(
    st.integers(1, 8),
    st.floats(1.3, 5),
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5), SCORES), max_size=60),
)
def test_verdicts_are_those_of_ray_whoever_reports_when(
    grace: int, factor: float, reports: Sequence[tuple[int, int, float]]
) -> None:
    """Trials side by side, each with reports of several epochs at once, as on a fast machine."""
    policy, of_ray, epochs = SuccessiveHalving(grace, factor, 24), OfRay(grace, factor, 24), dict.fromkeys(range(10), 0)
    verdicts = policy.start()
    for trial, more, score in reports:
        epochs[trial] += more
        if epochs[trial] < 24:
            assert verdicts.keeps(trial, epochs[trial], score) == of_ray.keeps(trial, epochs[trial], score)


@pytest.mark.parametrize(("grace", "factor"), [(1, 2), (2, 3), (3, 4), (8, 3), (12, 2)])
def test_one_search_stops_whom_rays_bracket_stops(grace: int, factor: int) -> None:
    """One worker: a trial at a time, with a report after every epoch, until it is stopped."""
    scores = np.random.default_rng(1).normal(0.7, 0.05, (30, 24)).round(3)
    verdicts, of_ray = SuccessiveHalving(grace, factor, 24).start(), OfRay(grace, factor, 24)
    for trial in range(30):
        for epoch in range(1, 24):
            kept = verdicts.keeps(trial, epoch, float(scores[trial, epoch]))
            assert kept == of_ray.keeps(trial, epoch, float(scores[trial, epoch]))
            if not kept:
                break
    for rung in SuccessiveHalving(grace, factor, 24).rungs:
        assert verdicts.trials(rung) == of_ray.trials(rung)


def test_the_first_trial_at_a_rung_continues_and_so_does_a_tie_with_the_best() -> None:
    rungs = Rungs((4, 12), 3)
    assert rungs.keeps("first", 4, 0.1)
    assert rungs.keeps("tie", 4, 0.1)
    assert not rungs.keeps("worse", 4, 0.05)
    assert rungs.keeps("better", 4, 0.2)
    assert (rungs.trials(4), rungs.trials(12)) == ({"first", "tie", "worse", "better"}, set())


def test_a_rung_decides_on_a_trial_once() -> None:
    rungs = Rungs((4, 12), 2)
    assert rungs.keeps("best", 4, 0.9)
    assert not rungs.keeps("stopped", 4, 0.5)
    assert rungs.keeps("best", 5, 0.1)  # between rungs nothing is decided
    assert rungs.keeps("early", 3, 0.0)
    assert rungs.trials(4) == {"best", "stopped"}


def test_a_new_search_knows_nothing_of_another() -> None:
    policy = SuccessiveHalving(4, 2, 24)
    first, second = policy.start(), policy.start()
    assert first.keeps("good", 4, 0.9)
    assert not first.keeps("bad", 4, 0.1)
    assert second.keeps("bad", 4, 0.1)
