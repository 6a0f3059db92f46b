import math

import numpy as np
import pytest

from benchmarks.race.candidates import FALLBACK, History, join
from benchmarks.race.measures import area, epochs_until_close, estimate, measure, read_at, ship
from benchmarks.race.pool import build_pool
from tests.benchmarks.race.synthetic_candidates import EPOCHS, candidates
from tests.benchmarks.race.synthetic_pool import HEADER, again, line
from tune_s11.config import InputError


def history(*trials: tuple[int, int]) -> History:
    """Of trials, each a row and the epochs that it ran."""
    rows = [row for row, epochs in trials for _ in range(epochs)]
    return History(np.array(rows), np.array([epoch for _, epochs in trials for epoch in range(1, epochs + 1)]))


def test_the_best_complete_trial_is_shipped_by_the_arms_own_metric() -> None:
    quality = [0.3, 0.6, 0.9]
    among = candidates(quality, raw=np.repeat([[0.9], [0.5], [0.1]], EPOCHS, axis=1))
    whole = history((0, 12), (1, 12), (2, 12))
    assert ship(whole, among, "ema", 36)[[11, 12, 23, 24, 35, 36]].tolist() == [0, 0, 0, 1, 1, 2]
    assert set(ship(whole, among, "raw", 36)[1:]) == {0}


def test_a_better_trial_that_is_pruned_is_not_shipped() -> None:
    among = candidates([0.3, 0.9])
    assert set(ship(history((0, 12), (1, 11)), among, "ema", 23)[1:]) == {0}


def test_before_a_complete_trial_the_farthest_is_shipped_then_the_best() -> None:
    among = candidates([0.3, 0.2, 0.9, 0.1])
    shipped = ship(history((0, 2), (1, 3), (2, 3), (3, 12)), among, "ema", 20)
    #                                 0 is farthest, 1 overtakes it in its third epoch, 2 does by its score
    assert shipped[:9].tolist() == [FALLBACK, 0, 0, 0, 0, 1, 1, 1, 2]
    assert shipped[9:].tolist() == [2] * 3 + [3] * 9  # 3 overtakes in its fourth, and is then the complete one


def test_equally_far_the_better_of_that_epoch_is_shipped() -> None:
    ema = np.full((2, EPOCHS), 0.5)
    ema[0, :2], ema[1, :2] = (0.9, 0.4), (0.1, 0.5)
    assert ship(history((0, 2), (1, 2)), candidates([0.5, 0.6], ema), "ema", 4).tolist() == [FALLBACK, 0, 0, 0, 1]


def test_of_equals_the_first_is_shipped() -> None:
    among = candidates([0.5, 0.5, 0.6])
    assert set(ship(history((1, 2), (0, 2)), among, "ema", 4)[1:]) == {1}
    assert set(ship(history((1, 12), (0, 12)), among, "ema", 24)[1:]) == {1}


def test_without_a_trial_that_lives_the_defaults_are_shipped() -> None:
    among = candidates([0.5, 0.6, 0.7], diverged={0: 3, 1: 12}, defaults=0.65)
    shipped = ship(history((0, 3), (1, 12), (2, 1)), among, "ema", 16)
    assert shipped.tolist() == [FALLBACK, 0, 0, FALLBACK, *[1] * 11, FALLBACK, 2]
    assert among.quality[FALLBACK] == 0.65


def test_who_runs_out_keeps_what_it_has() -> None:
    among = candidates([0.5, 0.6])
    assert ship(history((0, 12), (1, 12)), among, "ema", 240)[20:].tolist() == [0] * 4 + [1] * 217
    assert ship(history(), among, "ema", 3).tolist() == [FALLBACK] * 4


def test_regret_is_0_at_the_best_known_and_1_at_the_median() -> None:
    among = candidates([0.1, 0.5, 0.9], defaults=1.0)
    np.testing.assert_allclose(among.regret, [2, 1, 0, -0.25])


def test_the_area_of_two_steps() -> None:
    regret = np.where(np.arange(241) < 24, 1.0, 0.5)
    expected = (math.log(24 / 12) * 1.0 + math.log(240 / 24) * 0.5) / math.log(240 / 12)
    assert area(regret, 12) == pytest.approx(expected)
    assert area(np.append(np.full(12, 9.0), np.full(229, 0.3)), 12) == pytest.approx(0.3)  # nothing before counts


def test_figures_of_a_search_by_hand() -> None:
    among = candidates([0.5, 0.895, 0.1, 0.9, 0.2])
    shipped = np.where(np.arange(241) < 60, 0, 1)  # from 0.5, the median, to within a point of 0.9
    figures = measure(shipped, among)
    assert read_at(12) == {"regret_30": 30, "regret_60": 60, "regret_120": 120, "regret_240": 240}
    late = 0.005 / 0.4
    assert figures == pytest.approx(
        {
            "area": (math.log(5) + math.log(4) * late) / math.log(20),
            "regret_30": 1.0,
            "regret_60": late,
            "regret_120": late,
            "regret_240": late,
            "epochs": 60,
            "close": 1,
        }
    )


def test_epochs_are_censored_at_the_budget() -> None:
    among = candidates([0.5, 0.9, 0.1])
    close = [np.where(np.arange(241) < at, 0, 1) for at in (40, 100, 500)]
    figures = [measure(shipped, among) for shipped in close]
    assert [each["epochs"] for each in figures] == [40, 100, 240]
    assert [each["close"] for each in figures] == [1, 1, 0]
    restricted = estimate(np.array([each["epochs"] for each in figures]))
    assert restricted.mean == pytest.approx((40 + 100 + 240) / 3)


def test_within_a_point_is_close_on_the_line_too() -> None:
    among = candidates([0.71, 0.70, 0.6999, 0.1, 0.1])
    assert [epochs_until_close(np.array([3, row]), among) for row in range(3)] == [1, 1, math.inf]


def test_defaults_that_were_never_tried_reach_nothing() -> None:
    among = candidates([0.1, 0.2, 0.5], defaults=0.5)
    assert epochs_until_close(np.array([FALLBACK, FALLBACK]), among) == math.inf
    assert epochs_until_close(np.array([FALLBACK, 3]), among) == 1


def test_an_interval_by_hand() -> None:
    found = estimate(np.array([1.0, 2.0, 3.0, 4.0]))
    half = 3.18245 * math.sqrt(5 / 3) / 2  # Student's quantile for four values
    assert found == pytest.approx((2.5, 2.5 - half, 2.5 + half), rel=1e-5)
    assert math.isnan(estimate(np.array([1.0])).low)


def test_the_defaults_are_joined_as_the_last_row() -> None:
    pool = build_pool(HEADER, [line(0, 0.4, 0.5), line(1, 0.4, None, diverged_at=2), line(2, 0.8, 0.7)], [])
    defaults = build_pool(HEADER, [line(999, 0.6, 0.9, max_lr=0.4)], again(999, [0.5, 0.6]))
    among = join(pool, defaults)
    assert (among.n, among.epochs, among.best_known, among.median) == (3, 4, 0.7, 0.5)
    assert among.quality.tolist() == pytest.approx([0.5, 0.0, 0.7, 0.55])  # its fresh seeds, not its trial
    assert among.epochs_run.tolist() == [4, 2, 4, 4]
    assert among.diverged.tolist() == [False, True, False, False]
    assert among.signals["raw"][3].tolist() == pytest.approx([0.075, 0.15, 0.225, 0.3])
    assert among.configs[3] == {"max_lr": 0.4}


def test_a_pool_without_a_scale_is_refused() -> None:
    pool = build_pool(HEADER, [line(0, 0.4, 0.5), line(1, 0.4, 0.5)], [])
    with pytest.raises(InputError, match=r"median, 0.5000: must be less than its best, 0.5000"):
        join(pool, pool)
