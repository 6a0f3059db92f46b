"""Where trials stand at rungs."""

from hypothesis import given
from hypothesis import strategies as st

from tune_s11.search.callbacks.standings import Standings


def test_a_trial_stands_among_those_that_reached_its_last_rung() -> None:
    standings = Standings((2, 6))
    standings.record(0, [(1, 0.9), (2, 0.3), (5, 0.9), (6, 0.5)])
    assert standings.of(0) == "1 of 1 at epoch 6"
    standings.record(1, [(2, 0.8)])
    standings.record(2, [(1, 0.1)])
    assert standings.of(1) == "1 of 2 at epoch 2"
    assert standings.of(2) == standings.of(3) == ""
    standings.record(1, [(6, 0.7)])
    assert standings.of(0) == "2 of 2 at epoch 6"


def test_a_policy_without_rungs_ranks_nobody() -> None:
    standings = Standings(())
    standings.record(0, [(1, 0.9)])
    assert standings.of(0) == ""


@given(st.lists(st.floats(0, 1), min_size=1, unique=True))
def test_the_places_are_those_of_the_sorted_scores(scores: list[float]) -> None:
    standings = Standings((3,))
    for number, score in enumerate(scores):
        standings.record(number, [(3, score)])
    ranked = sorted(range(len(scores)), key=lambda number: -scores[number])
    assert [standings.of(number) for number in ranked] == [
        f"{place} of {len(scores)} at epoch 3" for place in range(1, len(scores) + 1)
    ]
