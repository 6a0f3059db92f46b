import pytest

from benchmarks.race.lab import BudgetSpent, Lab
from benchmarks.race.problems import defaults
from tests.benchmarks.race import tiny_lab


def lab(budget: int = 100, repeat: int = 0) -> Lab:
    return Lab(tiny_lab.inputs(), tiny_lab.hardware(), budget, repeat)


def test_every_epoch_is_counted_in_the_order_of_time() -> None:
    one = lab()
    first, second = one.start(defaults()), one.start({**defaults(), "max_lr": 0.1})
    first.advance(1)
    second.advance(2)
    first.advance(3)
    one.spend(1.2)
    assert one.log.events == [[0, 1], [1, 1], [1, 2], [0, 2], [0, 3], [-1, 0], [-1, 0]]
    assert one.spent == 7
    assert [len(trial["ema"]) for trial in one.log.trials] == [3, 2]
    assert first.finished
    assert not second.finished


def test_the_budget_ends_a_trial_in_its_midst() -> None:
    one = lab(budget=2)
    with pytest.raises(BudgetSpent):
        one.start(defaults()).advance(3)
    assert one.log.events == [[0, 1], [0, 2]]
    assert len(one.log.trials[0]["ema"]) == 2


def test_a_paused_trial_trains_as_if_it_had_never_paused() -> None:
    paused, whole = lab(), lab()
    running = paused.start(defaults())
    running.advance(1)
    paused.start({**defaults(), "max_lr": 1.0}).advance(3)
    running.advance(3)
    whole.start(defaults()).advance(3)
    assert paused.log.trials[0] == whole.log.trials[0]


def test_an_epoch_that_is_trained_costs_nothing_again() -> None:
    one = lab()
    running = one.start(defaults())
    scores = [running.advance(3), running.advance(1), running.advance(3)]
    assert one.spent == 3
    assert scores[0] == scores[2] == running.rows[2].score
    assert scores[1] == running.rows[0].score


def test_a_diverged_trial_scores_0_and_trains_no_further() -> None:
    one = lab()
    running = one.start({**defaults(), "max_lr": 1e30, "min_lr_fraction": 1.0})
    assert running.advance(3) == 0.0
    spent = one.spent
    assert running.diverged
    assert running.advance(3) == 0.0
    assert one.spent == spent
    assert one.log.trials[0]["diverged"]


def test_repeats_and_trials_have_seeds_of_their_own() -> None:
    def curve(repeat: int, before: int) -> object:
        one = lab(repeat=repeat)
        for _ in range(before):
            one.start(defaults())
        running = one.start(defaults())
        running.advance(1)
        return running.rows[0].train_loss

    assert len({curve(0, 0), curve(1, 0), curve(0, 1)}) == 3
    assert curve(1, 1) == curve(1, 1)
