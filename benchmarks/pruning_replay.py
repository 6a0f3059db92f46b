"""Which early signal ranks trials under one cycle, and what pruning by it saves and costs.

    uv run python benchmarks/pruning_replay.py

Replays pruning on what ``record_curves.py`` recorded. The last line of its output is JSON.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from asha import Policy, Trade, measure, pareto_front
from goals import at_least, at_most, judged
from ranking import best_third, correlate, predict_score, spearman
from recorded import CIFAR10_W16, Curves, Floats, read_curves

from tune_s11.config import InputError
from tune_s11.console import new_app, run

GRACES = range(1, 13)
FACTORS = (2, 3, 4)

TOLERANCE = 0.2
"""Points of final accuracy that pruning may lose on average."""

INTERVALS_AT = (2, 3, 4, 6, 8, 10, 12)
REGRESSIONS_AT = (0, 3, 6, 8)
"""Epochs whose correlations are shown with intervals, and those at which a regression predicts the end."""

PRESENT = Policy("ema", 8, 3)
"""The default of search_spaces/s11.yaml."""


def tell_ranking(curves: Curves) -> None:
    """Prints Spearman of every signal with the final score, for all trials and for the best third."""
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
    found = correlate(signal, score)
    return f"{f'{found.value:5.2f} ({found.low:5.2f} {found.high:5.2f})':>20}"


def tell_trades(curves: Curves, trades: list[Trade], front: list[Trade]) -> None:
    """Prints what each policy saves and loses; a star marks the Pareto front."""
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
    """Prints a policy's trade, and that in searches over random halves of the configurations.

    It was chosen among hundreds on the configurations it is judged by; the halves at least vary them.
    """
    policy = trade.policy
    halved = measure(curves, policy, share=0.5)
    assert halved is not None
    cells = [f"{each.saving:.2f}x {each.lost:.2f}" for each in (trade, halved)]
    named = f"{policy.signal}, grace {policy.grace}, factor {policy.factor}"
    print(f"{what:52}{named:>34}" + "".join(f"{cell:>16}" for cell in cells))


def _lost_by_choosing(curves: Curves) -> float:
    return float(100 * (curves.score.max() - curves.score[curves.chosen_by.argmax()]))


def recommend(trades: list[Trade], allowed: float) -> Trade:
    """The policy that saves most of those that lose at most ``allowed`` points; where none does, who loses least."""
    fitting = [trade for trade in trades if trade.lost <= allowed]
    if fitting:
        return max(fitting, key=lambda trade: (trade.saving, -trade.lost))
    return min(trades, key=lambda trade: (trade.lost, -trade.saving))


def judge(recommended: Trade, present: Trade) -> dict[str, Any]:
    """The goals of pruning, by name; the stretch goal does not count towards ``met``."""
    goals = {
        "accuracy_points_lost": at_most(recommended.lost, TOLERANCE),
        "saving_of_grace_8": at_least(present.saving, 1.6),
        "stretch_saving": at_least(recommended.saving, 4.0),
    }
    return judged(goals, stretch=["stretch_saving"])


app = new_app("Replay pruning policies on recorded learning curves.")


@app.command()
def main(curves: Annotated[Path, typer.Option("--curves", help="What record_curves.py wrote.")] = CIFAR10_W16) -> None:
    """Prints how signals rank, what policies save and lose, and which one to take."""
    recorded = read_curves(curves)
    if recorded.epochs <= max(GRACES):
        raise InputError(f"{curves}: trials of {recorded.epochs} epochs: needed are more than {max(GRACES)}")
    n, gone = len(recorded.score), int(recorded.diverged.sum())
    print(f"{curves}: n = {n} configurations, {gone} diverged, {recorded.epochs} epochs; ", end="")
    print(f"final accuracy on images apart: best {recorded.score.max():.4f}, median {np.median(recorded.score):.4f}")
    tell_ranking(recorded)

    policies = [Policy(signal, grace, factor) for signal in recorded.signals for grace in GRACES for factor in FACTORS]
    trades = [trade for policy in policies if (trade := measure(recorded, policy))]
    front = pareto_front(trades)
    tell_trades(recorded, trades, front)

    print(f"\nWithout pruning, choosing by validation loses {_lost_by_choosing(recorded):.2f} points by itself.")
    recommended = recommend(trades, TOLERANCE)
    beyond = recommend(trades, _lost_by_choosing(recorded) + TOLERANCE)
    present = next(trade for trade in trades if trade.policy == PRESENT)
    print(f"{'':86}{'all ' + str(n):>16}{'random halves':>16}")
    if recommended.lost > TOLERANCE:
        print(f"No policy loses at most {TOLERANCE} points on average; the one that loses least stands in its place.")
    tell_policy(recorded, f"Cheapest that loses at most {TOLERANCE} points on average", recommended)
    tell_policy(recorded, f"Cheapest that loses at most {TOLERANCE} points beyond that", beyond)
    tell_policy(recorded, "The present default", present)
    print(json.dumps(judge(recommended, present) | {"n": n}))


if __name__ == "__main__":
    run(app, "pruning_replay.py")
