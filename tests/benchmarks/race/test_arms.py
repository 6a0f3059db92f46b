from collections.abc import Callable

import numpy as np
import optuna
import pytest

from benchmarks.race.arms import ARMS, RANDOM, WITHIN_FIXED_BOUNDS, Arm, Coin, random_order, run_arm
from benchmarks.race.candidates import Candidates
from benchmarks.race.measures import budget_of, estimate
from benchmarks.race.replay import search
from tests.benchmarks.race.synthetic_candidates import EPOCHS, candidates, noisy
from tune_s11.pruning import SuccessiveHalving

BUDGET = 20 * EPOCHS
BY_NAME = {arm.name: arm for arm in ARMS}
RUNGS, COIN = BY_NAME["today's rungs"], BY_NAME["coin flip at today's rungs"]

Epochs = list[tuple[int, int]]


def epochs_of(arm: Arm, among: Candidates, order: int = 0, budget: int = BUDGET, first: bool = False) -> Epochs:
    """Rows and epochs as they were trained."""
    history = run_arm(arm, among, order, budget, first)
    return list(zip(history.rows.tolist(), history.epochs.tolist(), strict=True))


def rows_of(epochs: Epochs) -> list[int]:
    return list(dict.fromkeys(row for row, _ in epochs))


def test_the_arms_are_those_of_the_issue() -> None:
    metrics = {arm.name: arm.metric for arm in ARMS}
    assert [name for name, metric in metrics.items() if metric == "raw"] == [
        "Ray's tutorial, its LR range",
        "Ray's tutorial, whole LR range",
    ]
    assert len(metrics) == 8


def test_a_perfect_signal_beats_random_and_a_coin_flip() -> None:
    quality, _ = noisy(100)
    among = candidates(quality)
    rungs, coin, whole = (search(arm, among, 40, False) for arm in (RUNGS, COIN, RANDOM))
    assert rungs.against(whole)["area"].high < 0
    assert rungs.against(coin)["area"].high < 0
    assert rungs.figures["regret_240"].mean() < 0.5 * whole.figures["regret_240"].mean()


def test_a_useless_signal_is_a_coin_flip_that_saves_the_same_epochs() -> None:
    generator = np.random.default_rng(0)
    quality = generator.uniform(0.1, 0.9, 200)
    ema = generator.uniform(0.1, 0.9, (200, EPOCHS))
    ema[:, -1] = quality  # what is shipped is chosen well; who is pruned is not
    among = candidates(quality, ema)
    rungs, coin = (search(arm, among, 60, False) for arm in (RUNGS, COIN))
    assert rungs.trials.mean() == pytest.approx(coin.trials.mean(), rel=0.1)
    difference = rungs.against(coin)["area"]
    assert difference.low < 0 < difference.high


def test_a_coin_keeps_the_first_at_each_rung_and_one_in_three_of_the_others() -> None:
    policy = SuccessiveHalving(2, 3, EPOCHS)
    coin = Coin(policy, order=0)
    assert policy.rungs == (2, 6)
    assert [coin.keeps("first", epoch, 0.0) for epoch in range(1, 13)] == [True] * 12
    for rung in policy.rungs:
        assert np.mean([coin.keeps(trial, rung, 1.0) for trial in range(3000)]) == pytest.approx(1 / 3, abs=0.03)
    again = Coin(policy, order=1)
    flips = [[each.keeps(trial, 2, 1.0) for trial in range(50)] for each in (Coin(policy, 1), again, Coin(policy, 2))]
    assert flips[0] == flips[1] != flips[2]


@pytest.mark.parametrize("arm", [arm for arm in ARMS if arm is not COIN], ids=lambda arm: arm.name)
def test_nobody_is_pruned_among_equals(arm: Arm) -> None:
    among = candidates([0.5] * 30, max_lr=[0.08] * 30)
    assert epochs_of(arm, among) == epochs_of(RANDOM, among)


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_a_diverged_trial_ends_in_that_epoch(arm: Arm) -> None:
    quality, ema = noisy(40)
    among = candidates(quality, ema, max_lr=[0.08] * 40, diverged={row: 1 + row % EPOCHS for row in range(0, 40, 2)})
    spent = epochs_of(arm, among)
    tried = rows_of(spent)
    assert tried == random_order(40, 0)[: len(tried)].tolist()
    for row, last in dict(spent).items():  # the last epoch of each
        assert last <= among.epochs_run[row]
        if arm is RANDOM and row != tried[-1]:
            assert last == among.epochs_run[row]


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_arms_start_equally(arm: Arm) -> None:
    quality, ema = noisy(60)
    among = candidates(quality, ema, max_lr=np.geomspace(1e-4, 10, 60).tolist(), defaults=0.01)
    first = epochs_of(arm, among, first=True)
    assert first[:EPOCHS] == [(60, epoch) for epoch in range(1, EPOCHS + 1)]
    assert 60 not in rows_of(first[EPOCHS:])
    assert 60 not in rows_of(epochs_of(arm, among))


def test_all_arms_draw_in_the_same_order_what_their_range_lets_through() -> None:
    quality, ema = noisy(60)
    rates = np.random.default_rng(1).permutation(np.geomspace(1e-4, 10, 60)).tolist()
    among = candidates(quality, ema, max_lr=rates)
    order = random_order(60, 3).tolist()
    assert order != random_order(60, 4).tolist()
    for arm, (low, high) in {
        RANDOM: (0.0, np.inf),
        WITHIN_FIXED_BOUNDS: (0.067, 2.0),
        BY_NAME["Ray's tutorial, its LR range"]: (1e-4, 1e-1),
        RUNGS: (0.0, np.inf),
    }.items():
        inside = [row for row in order if low <= rates[row] <= high]
        assert rows_of(epochs_of(arm, among, order=3, budget=10_000)) == inside


def test_ends_of_a_range_belong_to_it() -> None:
    assert [WITHIN_FIXED_BOUNDS.accepts({"max_lr": rate}) for rate in (0.0669, 0.067, 2.0, 2.01)] == [
        False,
        True,
        True,
        False,
    ]


def test_the_budget_ends_in_the_middle_of_a_trial() -> None:
    among = candidates(noisy(5)[0])
    assert epochs_of(RANDOM, among, budget=EPOCHS + 1)[-2:] == [
        (int(random_order(5, 0)[0]), EPOCHS),
        (int(random_order(5, 0)[1]), 1),
    ]
    assert len(epochs_of(RANDOM, among)) == 5 * EPOCHS
    assert budget_of(among) == BUDGET


@pytest.mark.parametrize(
    ("name", "grace", "factor", "metric"),
    [("Ray's tutorial, whole LR range", 1, 2, "raw"), ("today's rungs", 2, 3, "ema")],
)
def test_halving_arms_stop_whom_the_program_stops(name: str, grace: int, factor: int, metric: str) -> None:
    """Written out with the program's own verdicts; tests/test_pruning.py holds these against Ray's bracket."""
    quality, ema = noisy(80)
    among = candidates(quality, ema, raw=noisy(80, seed=1)[1], diverged={3: 2, 4: 6, 5: 12})
    verdicts = SuccessiveHalving(grace, factor, EPOCHS).start()
    expected: Epochs = []
    for row in random_order(80, 7).tolist():
        for epoch in range(1, EPOCHS + 1):
            expected.append((row, epoch))
            kept = verdicts.keeps(row, epoch, among.signals[metric][row, epoch - 1])
            if not kept or epoch == among.epochs_run[row]:
                break
    assert epochs_of(BY_NAME[name], among, order=7, budget=10_000) == expected
    assert len(expected) < 0.6 * among.epochs_run[:80].sum()


@pytest.mark.parametrize(
    ("name", "pruner"), [("median pruner", optuna.pruners.MedianPruner), ("Hyperband", optuna.pruners.HyperbandPruner)]
)
def test_optunas_arms_stop_whom_a_study_stops(name: str, pruner: Callable[[], optuna.pruners.BasePruner]) -> None:
    """Run as in Optuna's own examples, by an objective that raises."""
    quality, ema = noisy(60)
    among = candidates(quality, ema, diverged={3: 2, 4: 6, 5: 12})
    drawn = iter(random_order(60, 5).tolist())
    expected: Epochs = []

    def objective(trial: optuna.Trial) -> float:
        row = next(drawn)
        for step in range(EPOCHS):
            expected.append((row, step + 1))
            score = float(ema[row, step]) if step + 1 < among.epochs_run[row] or not among.diverged[row] else 0.0
            trial.report(score, step)
            if trial.should_prune() or score == 0.0:
                raise optuna.TrialPruned
        return score

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", pruner=pruner(), study_name="order-5")
    study.optimize(objective, n_trials=60)
    assert epochs_of(BY_NAME[name], among, order=5, budget=10_000) == expected
    states = {trial.state.name for trial in study.trials}
    assert states == {"COMPLETE", "PRUNED"}
    assert len(expected) < 0.8 * among.epochs_run[:60].sum()


def test_searches_repeat_and_are_paired() -> None:
    among = candidates(*noisy(50))
    first, again = (search(COIN, among, 5, True) for _ in range(2))
    assert all((first.figures[name] == again.figures[name]).all() for name in first.figures)
    assert first.against(again)["area"] == estimate(np.zeros(5))


def test_running_out_is_counted() -> None:
    among = candidates(noisy(10)[0])
    outcome = search(RANDOM, among, 3, True)
    assert outcome.ran_out.tolist() == [11 * EPOCHS] * 3
    assert outcome.trials.tolist() == [11] * 3
    assert outcome.figures["regret_240"].tolist() == [0.0] * 3
