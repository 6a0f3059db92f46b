"""Measure which early signal ranks trials under one cycle, and what pruning by it saves and loses.

    uv run python -m benchmarks.pruning.replay

Pruning is replayed on the curves that ``benchmarks.pruning.record`` recorded. The last line of the output is JSON.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.pruning.asha import Policy, Trade, flip_coins, measure, pareto_front, resample
from benchmarks.pruning.curves import CIFAR10_W16, Curves, Floats, read_curves, score_of_winner
from benchmarks.pruning.ranking import Correlation, best_third, compare, correlate, predict_score
from benchmarks.tools.goals import at_least, at_most, judged
from tune_s11.cli.app import new_app, run
from tune_s11.config import InputError
from tune_s11.report.ranking import spearman
from tune_s11.search_space import load_space

GRACES = range(1, 13)
FACTORS = (2, 3, 4)

TOLERANCE = 0.2
"""Points of final accuracy that pruning may lose, on average and in nine of ten searches."""

INTERVALS_AT = (2, 3, 4, 6, 8, 10, 12)
REGRESSIONS_AT = (0, 3, 6, 8)
"""Epochs whose correlations are shown with intervals, and those at which a regression predicts the final accuracy."""

GRACE_8 = Policy("ema", 8, 3)


def default_policy() -> Policy:
    """Return the policy of search_spaces/s11.yaml; the program ranks by the EMA weights."""
    settings = load_space("s11").search
    return Policy("ema", settings.grace, round(settings.factor))


def tell_ranking(curves: Curves) -> None:
    """Print Spearman's correlation of every signal with the final score, for all trials and for the best third."""
    everyone, best = np.arange(len(curves.score)), best_third(curves.score)
    for name, trials in (("all", everyone), ("the best third", best)):
        score = curves.score[trials]
        print(f"\nSpearman with the final accuracy after each epoch, {name} (n = {len(trials)})")
        print(f"{'':16}" + "".join(f"{epoch:6d}" for epoch in range(1, curves.epochs + 1)))
        for signal, values in curves.signals.items():
            print(f"{signal:16}" + "".join(_number(spearman(column, score)) for column in values[trials].T))
        print(f"\nWith 95% bootstrap intervals, {name} (n = {len(trials)})")
        print(f"{'':16}" + "".join(f"{f'epoch {epoch}':>20}" for epoch in INTERVALS_AT))
        for signal, values in curves.signals.items():
            print(f"{signal:16}" + "".join(_interval(values[trials, epoch - 1], score) for epoch in INTERVALS_AT))
        print(f"\nEMA less raw weights, paired, {name} (n = {len(trials)})")
        for epoch in range(2, 9):
            ema, raw = (curves.signals[signal][trials, epoch - 1] for signal in ("ema", "raw"))
            print(f"epoch {epoch:2d} {_shown(compare(ema, raw, score))}")
        print(f"\nRidge regression on curve and configuration, each trial by all others, {name} (n = {len(trials)})")
        print(f"{'':16}" + "".join(f"{f'epoch {epoch}':>20}" for epoch in REGRESSIONS_AT))
        for signal in ("raw", "ema"):
            predicted = [predict_score(curves, signal, epoch)[trials] for epoch in REGRESSIONS_AT]
            print(f"{signal:16}" + "".join(_interval(values, score) for values in predicted))


def _number(value: Floats) -> str:
    return "     ." if np.isnan(value) else f"{float(value):6.2f}"


def _interval(signal: Floats, score: Floats) -> str:
    if np.isnan(spearman(signal, score)):
        return f"{'.':>20}"
    return _shown(correlate(signal, score))


def _shown(found: Correlation) -> str:
    return f"{f'{found.value:5.2f} ({found.low:5.2f} {found.high:5.2f})':>20}"


def tell_trades(curves: Curves, trades: list[Trade], front: list[Trade]) -> None:
    """Print what each policy saves and loses; a star marks the Pareto front."""
    by_policy = {trade.policy: trade for trade in trades}
    print("\nEpochs saved (times) and final accuracy lost (points, mean of the replays); * on the Pareto front")
    for signal in curves.signals:
        cost = curves.costs[signal]
        print(f"\n{signal}" + (f", {cost:.2f} epochs a rung" if cost else ""))
        print("grace" + "".join(f"{f'factor {factor}':>18}" for factor in FACTORS))
        for grace in GRACES:
            row = [by_policy.get(Policy(signal, grace, factor)) for factor in FACTORS]
            if any(row):
                print(f"{grace:5d}" + "".join(_cell(trade, front) for trade in row))
    print(f"\nPareto front{'signal':>12}{'grace':>14}{'factor':>8}{'saved':>8}{'lost':>8}{'lost in 1 of 10':>18}")
    for trade in front:
        policy = trade.policy
        print(
            f"{policy.signal:>24}{policy.grace:14d}{policy.factor:8d}"
            f"{trade.saving:7.2f}x{trade.lost:8.2f}{trade.lost_90:18.2f}"
        )


def _cell(trade: Trade | None, front: list[Trade]) -> str:
    if trade is None:
        return f"{'.':>18}"
    return f"{f'{trade.saving:.2f}x {trade.lost:.2f}' + ('*' if trade in front else ' '):>18}"


def tell_policy(curves: Curves, what: str, trade: Trade) -> None:
    """Print a policy's trade, with the interval of its loss over resamples of the configurations.

    The interval does not account for the choice among hundreds of policies.
    """
    policy = trade.policy
    low, high = resample(curves, policy)
    named = f"{policy.signal}, grace {policy.grace}, factor {policy.factor}"
    interval = f"({low:.2f} to {high:.2f})"
    print(f"{what:34}{named:>34}{trade.saving:8.2f}x{trade.lost:8.2f}{interval:>20}{trade.lost_90:8.2f}")


def recommend(trades: list[Trade]) -> Trade:
    """Return the trade that saves most among those within the tolerance; if there is none, the one that loses least."""
    fitting = [trade for trade in trades if max(trade.lost, trade.lost_90) <= TOLERANCE]
    if fitting:
        return max(fitting, key=lambda trade: (trade.saving, -trade.lost))
    return min(trades, key=lambda trade: (trade.lost, -trade.saving))


def judge(default: Trade, grace_8: Trade) -> dict[str, Any]:
    """Return the goals of pruning by name; the stretch goal does not count towards ``met``."""
    goals = {
        "points_lost_by_default": at_most(default.lost, TOLERANCE),
        "saving_of_grace_8": at_least(grace_8.saving, 1.6),
        "stretch_saving_of_default": at_least(default.saving, 4.0),
    }
    return judged(goals, stretch=["stretch_saving_of_default"])


app = new_app("Replay pruning policies on recorded learning curves.")


@app.command()
def main(
    curves: Annotated[Path, typer.Option("--curves", help="Recording of benchmarks.pruning.record.")] = CIFAR10_W16,
) -> None:
    """Print how signals rank, what policies save and lose, and which policy to choose."""
    recorded = read_curves(curves)
    if recorded.epochs <= max(GRACES):
        raise InputError(f"{curves}: trials of {recorded.epochs} epochs: needed are more than {max(GRACES)}")
    n, gone = len(recorded.score), int(recorded.diverged.sum())
    print(f"{curves}: n = {n} configurations, {gone} diverged, {recorded.epochs} epochs; ", end="")
    print(f"final accuracy on held-out images: best {recorded.score.max():.4f}, median {np.median(recorded.score):.4f}")
    tell_ranking(recorded)

    policies = [Policy(signal, grace, factor) for signal in recorded.signals for grace in GRACES for factor in FACTORS]
    trades = [trade for policy in policies if (trade := measure(recorded, policy))]
    front = pareto_front(trades)
    tell_trades(recorded, trades, front)

    unpruned = score_of_winner(zip(recorded.chosen_by, recorded.score, strict=True))
    print(f"\nWithout pruning the winner is {100 * (recorded.score.max() - unpruned):.2f} points below the best.")
    print(f"{'':34}{'':>34}{'saved':>9}{'lost':>8}{'95% interval':>20}{'90%':>8}")
    by_policy, default = {trade.policy: trade for trade in trades}, default_policy()
    for what, policy in {
        "Cheapest that loses what it may": recommend(trades).policy,
        "Grace 8": GRACE_8,
        "The default": default,
        "With raw accuracy": replace(default, signal="raw"),
        "Grace 2": replace(default, grace=2),
        "Grace 1": Policy("ema", 1, 4),
    }.items():
        tell_policy(recorded, what, by_policy[policy])
    coin = flip_coins(recorded, default)
    print(f"{'A coin flip at its rungs':34}{'':34}{coin.saving:8.2f}x{coin.lost:8.2f}{'':20}{coin.lost_90:8.2f}")
    print(json.dumps(judge(by_policy[default], by_policy[GRACE_8]) | {"n": n}))


if __name__ == "__main__":
    run(app, "benchmarks.pruning.replay")
