"""Which cycles the rule asks for, and what it recommends."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lr_range.made_up_networks import CHANCE, Network, question
from tune_s11.config import InputError, Recipe, SearchSettings
from tune_s11.lr_range.cycles import Cycle, Outcome
from tune_s11.lr_range.rule import WIDEST, Answer, ask, recommend, typical_rounds, usual_rate

BEST = st.floats(-3.0, 0.0).map(lambda exponent: 10**exponent)


@given(BEST, st.integers(1, 3))
def test_the_best_rate_lies_in_the_bounds_and_near_the_first(best: float, trials: int) -> None:
    answer = recommend(question(trials=trials), Network(best).train)
    assert answer.low < best < answer.high
    assert answer.low < answer.first < answer.high
    assert abs(math.log10(answer.first / best)) < 0.4
    assert math.log10(answer.high / answer.low) < 1.5
    assert not answer.unsure


@given(st.integers(1, 3), st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_cost_and_width_stay_within_limits_whatever_happens(trials: int, epochs: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    spent = 0

    def train(cycles: Sequence[Cycle]) -> dict[Cycle, Outcome]:
        nonlocal spent
        spent += sum(cycle.epochs for cycle in cycles)
        losses = generator.exponential(CHANCE, len(cycles))
        return {
            cycle: Outcome(None, None, 1) if loss > 2 * CHANCE else Outcome(0.5, loss, cycle.epochs)
            for cycle, loss in zip(cycles, losses, strict=True)
        }

    answer = recommend(question(trials=trials, epochs=epochs), train)
    assert 0 < answer.low <= answer.first <= answer.high
    assert answer.high / answer.low <= 10**WIDEST * (1 + 1e-9)
    assert spent <= trials * epochs


@given(BEST)
def test_the_same_outcomes_are_asked_for_again(best: float) -> None:
    one, other = Network(best), Network(best)
    assert recommend(question(), one.train) == recommend(question(), other.train)
    assert one.asked == other.asked
    assert {cycle.seed for cycles in one.asked for cycle in cycles} == {5}


def test_a_decade_apart_at_first_then_a_third_in_longer_cycles() -> None:
    network = Network(0.1)
    recommend(question(), network.train)
    scan, refinement, *_ = network.asked
    assert [(cycle.epochs, cycle.max_lr) for cycle in scan] == [
        (2, rate) for rate in (1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0)
    ]
    assert [(cycle.epochs, cycle.max_lr) for cycle in refinement] == [(8, rate) for rate in (0.04642, 0.1, 0.2154)]


@pytest.mark.parametrize(("trials", "epochs"), [(1, 2), (2, 4), (3, 8)])
def test_what_a_test_may_cost_sets_the_length_of_its_cycles(trials: int, epochs: int) -> None:
    network = Network(0.1)
    recommend(question(trials=trials), network.train)
    assert {cycle.epochs for cycle in network.asked[-1]} == {epochs}


def test_refinement_follows_a_rate_beyond_its_first_ones() -> None:
    network = Network(0.0022, dies_above=0.02)  # The scan sees 0.001 and 0.01 alone.
    answer = recommend(question(), network.train)
    assert len(network.asked) >= 2
    assert answer.low < 0.0022 < answer.high


def test_cycles_grow_where_a_network_learns_slowly() -> None:
    network = Network(0.1, slow=4)
    answer = recommend(question(), network.train)
    assert [cycles[0].epochs for cycles in network.asked][:2] == [2, 4]
    assert answer.low < 0.1 < answer.high
    assert network.epochs <= 3 * 24


def test_where_nothing_learns_it_says_so_and_names_the_usual_rate() -> None:
    network = Network(0.1, slow=99)
    answer = recommend(question(), network.train)
    assert answer.unsure
    assert answer.first == 0.03
    assert answer.high / answer.low == pytest.approx(10**1.5)
    assert network.epochs <= 3 * 24


def test_rates_that_diverge_are_not_tried_again_and_not_recommended() -> None:
    network = Network(0.5, dies_above=0.3)
    answer = recommend(question(), network.train)
    assert answer.first < 0.3
    assert answer.high <= 0.4642  # a third of a decade above the highest that was kept
    slow = Network(0.1, dies_above=0.5, slow=99)
    recommend(question(), slow.train)
    assert max(cycle.max_lr for cycle in slow.asked[1]) < 0.5


def test_signs_of_learning_alone_are_not_enough() -> None:
    def train(cycles: Sequence[Cycle]) -> dict[Cycle, Outcome]:
        return {cycle: Outcome(0.1, CHANCE - (0.02 if cycle.max_lr == 0.1 else 0.0), cycle.epochs) for cycle in cycles}

    assert recommend(question(), train).unsure


def test_what_is_left_may_not_pay_for_a_refinement() -> None:
    network = Network(0.1)
    answer = recommend(question(trials=1, epochs=7), network.train)  # Six cycles of an epoch, and one epoch is left.
    assert len(network.asked) == 1
    # A decade around the only rate that is kept would be wider than bounds may be.
    assert (answer.low, answer.high) == (pytest.approx(answer.first / 10**0.75), pytest.approx(answer.first * 10**0.75))
    assert "at most 5.6 times away from the first rate" in answer.reasons["high"]


def test_bounds_at_the_end_of_the_range_say_so() -> None:
    answer = recommend(question(), Network(10.0).train)
    assert answer.high == question().lr_range[1]
    assert answer.reasons["high"].endswith(", cut off at the end of the range")
    assert "cut off" not in answer.reasons["low"]


def test_what_the_scan_has_trained_is_not_paid_for_again() -> None:
    network = Network(0.1)
    recommend(question(trials=1, epochs=8), network.train)
    assert [len(cycles) for cycles in network.asked] == [6, 2]


def test_what_is_too_short_for_a_scan_tries_rates_near_the_usual_one() -> None:
    network = Network(0.1)
    recommend(question(trials=1, epochs=4), network.train)
    assert [cycle.max_lr for cycle in network.asked[0]] == [0.001, 0.01, 0.1, 1.0]


def test_rates_that_learn_nothing_are_not_kept_however_little_the_best_has_learned() -> None:
    def train(cycles: Sequence[Cycle]) -> dict[Cycle, Outcome]:
        learned = {0.2154: 0.23, 0.1: 0.05}
        return {cycle: Outcome(0.1, CHANCE - learned.get(cycle.max_lr, 0.0), cycle.epochs) for cycle in cycles}

    answer = recommend(question(), train)
    assert (answer.low, answer.high) == (0.1, 0.4642)


def ends(losses: dict[float, float], other: float = CHANCE) -> Callable[[Sequence[Cycle]], dict[Cycle, Outcome]]:
    """A network whose cycles end with these losses, by rate."""
    return lambda cycles: {cycle: Outcome(0.5, losses.get(cycle.max_lr, other), cycle.epochs) for cycle in cycles}


@pytest.mark.parametrize(
    ("loss", "answer"), [(1.29, (0.04642, 0.1468, 0.4642)), (1.31, (0.04642, 0.1, 0.2154))], ids=["kept", "not kept"]
)
def test_rates_within_30_per_cent_of_the_lowest_loss_are_kept_and_their_middle_is_first(
    loss: float, answer: tuple[float, float, float]
) -> None:
    found = recommend(question(), ends({0.04642: 1.4, 0.1: 1.0, 0.2154: loss, 0.4642: 1.5}, other=2.25))
    assert (found.low, found.first, found.high) == answer


@pytest.mark.parametrize(("share", "learned"), [(0.0009, False), (0.0011, True)])
def test_a_loss_a_thousandth_below_chance_is_a_sign_of_learning(share: float, learned: bool) -> None:
    """It is followed up by longer cycles around its rate; otherwise all rates are tried in longer ones."""
    asked: list[list[Cycle]] = []

    def train(cycles: Sequence[Cycle]) -> dict[Cycle, Outcome]:
        asked.append(list(cycles))
        return ends({1e-3: CHANCE * (1 - share)})(cycles)

    recommend(question(), train)
    rates = [cycle.max_lr for cycle in asked[1]]
    assert (rates == [4.642e-4, 1e-3, 2.154e-3]) == learned


@pytest.mark.parametrize(("share", "unsure"), [(0.0149, True), (0.0151, False)])
def test_the_best_cycle_must_end_well_below_chance(share: float, unsure: bool) -> None:
    assert recommend(question(), ends({0.1: CHANCE * (1 - share)})).unsure == unsure


def test_only_rates_in_the_range_are_tried() -> None:
    network = Network(2.0)
    answer = recommend(question(lr_range=(0.003, 0.9)), network.train)
    tried = [cycle.max_lr for cycles in network.asked for cycle in cycles]
    assert 0.003 <= min(tried) < max(tried) <= 0.9
    assert answer.first <= answer.high == 0.9
    low = recommend(question(lr_range=(0.01, 1.0)), Network(1e-3).train)
    assert low.low == 0.01
    assert low.first < 0.02
    nothing = recommend(question(lr_range=(1e-4, 0.01)), Network(0.1, slow=99).train)
    assert nothing.unsure
    assert nothing.first == nothing.high == 0.01
    assert nothing.low == pytest.approx(0.01 / 10**0.75)


def test_a_negative_loss_is_judged_like_a_positive_one() -> None:
    """As of a likelihood: the chance loss is -1, and the best end lies at -2 or just below chance."""

    def train(best: float) -> Answer:
        def run(cycles: Sequence[Cycle]) -> dict[Cycle, Outcome]:
            away = {cycle: abs(math.log10(cycle.max_lr / 0.1)) for cycle in cycles}
            return {cycle: Outcome(None, min(-0.5, best + away[cycle]), cycle.epochs) for cycle in cycles}

        return recommend(question()._replace(chance=-1.0), run)

    found = train(-2.0)
    assert not found.unsure
    assert found.low < found.first == 0.1 < found.high
    assert train(-1.005).unsure


def test_the_question_follows_from_recipe_settings_and_labels() -> None:
    recipe = Recipe(epochs=12, peak_epoch=3.0, momentum=0.5, logit_scale=0.5)
    settings = SearchSettings(lr_range_trials=2, lr_range=(1e-3, 1.0), seed=7)
    asked = ask(recipe, settings, np.array([0, 0, 0, 1]))
    assert asked == (12, (1e-3, 1.0), 2, pytest.approx(0.5623, abs=1e-4), pytest.approx(0.1414, abs=1e-4), 7)


def test_a_range_without_room_is_refused() -> None:
    with pytest.raises(InputError, match=r"^search.lr_range \[0.05, 0.3\]: must span at least a factor of 10$"):
        ask(Recipe(), SearchSettings(lr_range=(0.05, 0.3)), np.arange(10))


def test_the_usual_rate_follows_the_optimizer() -> None:
    assert usual_rate("sgd", 0.9) == pytest.approx(0.0316, abs=1e-4)
    assert usual_rate("sgd", 0.0) == pytest.approx(0.1)
    assert usual_rate("sgd", 0.9, logit_scale=0.125) == pytest.approx(0.253, abs=1e-3)
    assert usual_rate("adamw", 0.9) == 0.003


@pytest.mark.parametrize("trials", [1, 2, 3])
def test_a_rehearsal_is_a_test_in_which_all_goes_well(trials: int) -> None:
    asked = question(trials=trials)
    rounds = typical_rounds(asked)
    assert len(rounds) == 3  # the scan, longer cycles around its best rate, one more beyond an end
    assert sum(cycle.epochs for cycles in rounds for cycle in cycles) <= trials * 24
