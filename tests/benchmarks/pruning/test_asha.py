from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ray.tune.schedulers import TrialScheduler
from ray.tune.schedulers.async_hyperband import _Bracket

from benchmarks.pruning.asha import Policy, Trade, build_ladder, flip_coins, measure, pareto_front, replay, resample
from benchmarks.pruning.curves import Curves, build_curves
from tests.benchmarks.pruning.synthetic import recording

SCORES = np.random.default_rng(0).permutation(np.linspace(0.6, 0.8, 30)).round(4)


def curves(signal: Any, **changes: Any) -> Curves:
    return build_curves(*recording(SCORES, signal, **changes))


@pytest.mark.parametrize(("grace", "factor"), [(1, 2), (2, 3), (3, 4), (8, 3), (12, 2)])
def test_one_search_stops_whom_rays_bracket_stops(grace: int, factor: int) -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, (30, 25))
    number = {score: index for index, score in enumerate(SCORES)}
    noisy = curves(lambda score, epoch: score + noise[number[score], epoch], diverged={3: 2, 7: 8, 11: 9})
    policy = Policy("ema", grace, factor)
    bracket = _Bracket(grace, 24, factor, 0)
    spent, complete = 0, []
    for trial in range(30):  # one worker: a trial at a time, told to the bracket after every epoch
        for epoch in range(1, int(noisy.ended[trial]) + 1):
            spent += 1
            value = noisy.signals["ema"][trial, epoch - 1]
            action = bracket.on_result(SimpleNamespace(trial_id=str(trial)), epoch, value)  # type: ignore[arg-type]
            if action == TrialScheduler.STOP and epoch < 24:
                break
        else:
            complete.append(trial)
    ladder = build_ladder(noisy, policy)
    assert ladder is not None
    outcome = replay(ladder, range(30), workers=1)
    assert outcome.spent == spent
    assert outcome.unpruned == complete


def test_a_perfect_signal_loses_nothing_and_a_reversed_one_most() -> None:
    perfect = measure(curves(lambda score, epoch: score), Policy("ema", 1, 3))
    reversed_ = measure(curves(lambda score, epoch: 1 - score), Policy("ema", 1, 3))
    blind = measure(curves(lambda score, epoch: 0.5), Policy("ema", 1, 3))
    assert perfect is not None
    assert reversed_ is not None
    assert blind is not None
    assert (perfect.lost, perfect.lost_90) == (0.0, 0.0)
    assert reversed_.lost > 5
    assert perfect.saving == pytest.approx(reversed_.saving, rel=0.05)
    assert (blind.saving, blind.lost) == (1.0, 0.0)  # whoever equals the cutoff goes on


def test_workers_that_run_together_cannot_wait_for_one_another() -> None:
    """Thirty workers: all are at the first rung at once, in the order of their start, and decided upon one by one."""
    ladder = build_ladder(curves(lambda score, epoch: score), Policy("ema", 8, 3))
    assert ladder is not None
    worst_first, best_first = np.argsort(SCORES).tolist(), np.argsort(-SCORES).tolist()
    assert replay(ladder, worst_first, 30).spent == 30 * 24
    assert replay(ladder, best_first, 30).spent == 24 + 29 * 8


def test_a_probe_is_paid_for_at_each_rung_that_asks_for_it() -> None:
    made_up = curves(lambda score, epoch: score)
    best_first = np.argsort(-SCORES).tolist()
    spent = {}
    for name in ("ema", "probe_1/2_ema"):
        ladder = build_ladder(made_up, Policy(name, 3, 2))  # rungs 3, 6, 12
        assert ladder is not None
        assert ladder.rungs == [3, 6, 12]
        spent[name] = replay(ladder, best_first, 2).spent
    assert spent["probe_1/2_ema"] - spent["ema"] == pytest.approx(0.5 * (30 + 2))


def test_later_rungs_without_a_probe_rank_by_the_running_average() -> None:
    probing = curves(lambda score, epoch: 0.25, probe=lambda score, epoch: 0.75)
    ladder = build_ladder(probing, Policy("probe_1/2_raw", 3, 3))
    assert ladder is not None
    assert (ladder.rungs, ladder.values[0], ladder.costs) == ([3, 9], [0.75, 0.25], [0.5, 0.0])
    assert build_ladder(probing, Policy("probe_1/2_raw", 5, 3)) is None
    assert measure(probing, Policy("probe_1/2_raw", 5, 3)) is None


def test_finalists_are_chosen_by_validation_and_the_winner_apart() -> None:
    header, lines = recording(SCORES, lambda score, epoch: 0.5)
    worst = np.argsort(SCORES)[:5]
    for trial in worst:
        lines[trial]["score"]["validation_ema"] = 0.99
    overrated = build_curves(header, lines)
    nobody_stopped = measure(overrated, Policy("ema", 8, 3))
    assert nobody_stopped is not None
    assert nobody_stopped.lost == 0  # what validation chooses wrongly is not put down to pruning

    overrated.signals["ema"][worst, 7] = 0  # now the rung stops them, all but one that is the first to come
    stopped = measure(overrated, Policy("ema", 8, 3), workers=1)
    assert stopped is not None
    assert stopped.lost == pytest.approx(100 * (SCORES[worst].max() - SCORES.max()))


def test_what_diverges_in_its_last_epoch_is_no_finalist() -> None:
    late = curves(lambda score, epoch: 0.5, diverged={int(trial): 24 for trial in range(4, 30)})
    trade = measure(late, Policy("ema", 8, 3))
    assert trade is not None
    assert trade.lost == 0
    assert measure(
        curves(lambda score, epoch: 0.5, diverged=dict.fromkeys(range(30), 24)), Policy("ema", 8, 3)
    ) == Trade(Policy("ema", 8, 3), 1.0, 0.0, 0.0)


def test_a_coin_flip_saves_as_much_and_loses_more_than_a_signal_that_ranks() -> None:
    told = curves(lambda score, epoch: score)
    coin, ranked = flip_coins(told, Policy("ema", 4, 3)), measure(told, Policy("ema", 4, 3))
    assert ranked is not None
    assert ranked.lost == 0
    assert coin.lost > 0.5
    assert coin.saving == pytest.approx(ranked.saving, rel=0.2)
    assert coin == flip_coins(told, Policy("ema", 4, 3))


def test_the_interval_tells_luck_from_loss() -> None:
    assert resample(curves(lambda score, epoch: score), Policy("ema", 1, 3)) == (0, 0)
    low, high = resample(curves(lambda score, epoch: 1 - score), Policy("ema", 1, 3))
    assert 5 < low < high
    noise = np.random.default_rng(1).normal(0, 0.05, (30, 25))
    number = {score: index for index, score in enumerate(SCORES)}
    low, high = resample(curves(lambda score, epoch: score + noise[number[score], epoch]), Policy("ema", 8, 3))
    assert 0 <= low < high < 10


def test_the_front_holds_what_nothing_beats() -> None:
    def trade(saving: float, lost: float) -> Trade:
        return Trade(Policy("ema", 1, 2), saving, lost, lost)

    cheap, safe, middling, beaten = trade(4, 2), trade(1.5, 0), trade(2, 0.5), trade(1.9, 0.5)
    assert pareto_front([cheap, beaten, safe, middling]) == [safe, middling, cheap]
