"""Asynchronous successive halving replayed on recorded curves.

Li et al., "A System for Massively Parallel Hyperparameter Tuning" (arXiv:1810.05934), as implemented
in Ray Tune: a trial that reaches a rung is compared with those that reached it before, and stopped unless it is among
the best 1/factor. A stopped trial never resumes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.pruning.curves import Curves, Floats, Ints, score_of_winner
from tune_s11.pruning import Rung, SuccessiveHalving
from tune_s11.search.simulation import run_on_workers


@dataclass(frozen=True)
class Policy:
    """A pruning policy: the program's successive halving, but ranked by ``signal``."""

    signal: str
    grace: int
    factor: int

    def halving(self, epochs: int) -> SuccessiveHalving:
        """Return the policy of a search whose trials have ``epochs`` epochs."""
        return SuccessiveHalving(self.grace, self.factor, epochs)


@dataclass(frozen=True)
class Outcome:
    """Results of one search."""

    unpruned: list[int]
    """Trials that were not stopped, including diverged ones, in the order in which they finished."""
    spent: float
    """Epochs of all trials, including the extra cost of signals."""


@dataclass(frozen=True)
class Ladder:
    """A policy applied to recorded curves, in plain lists because they are read some ten million times.

    Attributes:
        rungs: Epochs of the rungs, in ascending order.
        values: Value of each trial at each rung.
        costs: Cost of the signal at each rung, in epochs.
        ended: Epochs of each trial.
        factor: Reduction factor: one in ``factor`` trials continues at a rung.
    """

    rungs: list[int]
    values: list[list[float]]
    costs: list[float]
    ended: list[int]
    factor: float


def build_ladder(curves: Curves, policy: Policy) -> Ladder | None:
    """Apply a policy to recorded curves.

    A later rung at which the signal was not recorded ranks by the EMA weights, which costs nothing.

    Returns:
        The ladder; None if the signal was not recorded at the first rung.
    """
    rungs = list(policy.halving(curves.epochs).rungs)
    signal = curves.signals[policy.signal]
    known = [not np.isnan(signal[:, rung - 1]).any() for rung in rungs]
    if not known[0]:
        return None
    columns = [
        (signal if there else curves.signals["ema"])[:, rung - 1] for rung, there in zip(rungs, known, strict=True)
    ]
    costs = [curves.costs[policy.signal] if there else 0.0 for there in known]
    return Ladder(
        rungs,
        np.stack(columns, axis=1).tolist(),
        costs,
        curves.ended.tolist(),
        policy.factor,
    )


def replay(ladder: Ladder, arrival: Sequence[int], workers: int) -> Outcome:
    """Replay one search whose trials start in the order of ``arrival``, each on the first worker that is free.

    An epoch takes the same time in all trials. Of two trials that reach a rung at once, the one that started first
    comes first. A trial that diverges is recorded at no later rung, and frees its worker.
    """
    rungs = [Rung(ladder.factor) for _ in ladder.rungs]
    stops = [*ladder.rungs, max(ladder.ended) + 1]  # the last is never reached
    spent = 0.0
    unpruned: list[int] = []
    queue = iter(enumerate(arrival))

    def train(start: int, trial: int) -> Iterator[float]:
        nonlocal spent
        epoch = 0
        for index, stop in enumerate(stops):
            until = min(stop, ladder.ended[trial])
            spent += until - epoch
            yield until - epoch
            epoch = until
            if epoch < stop:
                unpruned.append(trial)
                return
            if cost := ladder.costs[index]:
                spent += cost
                yield cost
            if not rungs[index].keeps(start, ladder.values[trial][index]) or epoch == ladder.ended[trial]:
                return

    run_on_workers(lambda _: None if (following := next(queue, None)) is None else train(*following), workers)
    return Outcome(unpruned, spent)


@dataclass(frozen=True)
class Trade:
    """Saving and loss of a policy, averaged over replays."""

    policy: Policy
    saving: float
    """Epochs that all trials would take without pruning, over epochs spent."""
    lost: float
    """Final accuracy of the same search's winner without pruning minus that of its own winner, in percentage points."""
    lost_90: float
    """90th percentile of the loss over the replays; ``lost`` is its mean."""

    def beats(self, other: "Trade") -> bool:
        """Return whether it is no worse in both respects and better in one."""
        better = self.saving > other.saving or self.lost < other.lost
        return better and self.saving >= other.saving and self.lost <= other.lost


def measure(curves: Curves, policy: Policy, *, workers: int = 8, replays: int = 200) -> Trade | None:
    """Replay a policy with shuffled arrival; the shuffles are the same for every policy.

    Args:
        curves: Curves of ``n`` configurations.
        policy: Policy to replay.
        workers: Number of trials at a time.
        replays: Number of searches.

    Returns:
        The policy's trade; None if its signal was not recorded at its first rung.
    """
    ladder = build_ladder(curves, policy)
    if ladder is None:
        return None
    generator = np.random.default_rng(0)
    arrivals = [generator.permutation(len(curves.score)) for _ in range(replays)]
    saving, lost = _replay_all(curves, ladder, arrivals, workers)
    return Trade(policy, saving, float(lost.mean()), float(np.percentile(lost, 90)))


def flip_coins(curves: Curves, policy: Policy, *, searches: int = 200) -> Trade:
    """Replay a policy that ranks by random numbers instead of the signal, other ones in each search.

    Returns:
        The trade over the searches.
    """
    generator = np.random.default_rng(0)
    trades = []
    for _ in range(searches):
        luck = curves.signals | {"coin": generator.random((len(curves.score), curves.epochs))}
        flipped = replace(curves, signals=luck, costs=curves.costs | {"coin": 0.0})
        trade = measure(flipped, replace(policy, signal="coin"), replays=1)
        assert trade is not None
        trades.append(trade)
    saving, lost = np.mean([(trade.saving, trade.lost) for trade in trades], axis=0).tolist()
    lost_90 = float(np.percentile([trade.lost for trade in trades], 90))
    return Trade(replace(policy, signal="coin"), saving, lost, lost_90)


def resample(
    curves: Curves, policy: Policy, *, workers: int = 8, resamples: int = 200, replays: int = 20
) -> tuple[float, float]:
    """Return the 95% interval of a policy's loss, by the percentile bootstrap over the configurations.

    Args:
        curves: Curves of ``n`` configurations, of which each resample draws ``n`` with replacement.
        policy: Policy whose signal was recorded at its first rung.
        workers: Number of trials at a time.
        resamples: Number of resamples of the configurations.
        replays: Number of searches over each resample, with shuffled arrival.
    """
    ladder = build_ladder(curves, policy)
    assert ladder is not None
    generator, n, means = np.random.default_rng(0), len(curves.score), []
    for _ in range(resamples):
        drawn = generator.integers(n, size=n)
        arrivals = [generator.permutation(drawn) for _ in range(replays)]
        means.append(_replay_all(curves, ladder, arrivals, workers)[1].mean())
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _replay_all(curves: Curves, ladder: Ladder, arrivals: Sequence[Ints], workers: int) -> tuple[float, Floats]:
    """Return the factor by which pruning reduces the epochs, and the loss of each search in percentage points."""
    ends = list(zip(curves.chosen_by.tolist(), curves.score.tolist(), strict=True))
    share, lost = [], []
    for arrival in arrivals:
        outcome = replay(ladder, arrival.tolist(), workers)
        share.append(outcome.spent / curves.ended[arrival].sum())
        winner, unpruned = (
            score_of_winner([ends[trial] for trial in trials]) for trials in (outcome.unpruned, arrival.tolist())
        )
        lost.append(100 * (unpruned - winner))
    return float(1 / np.mean(share)), np.array(lost)


def pareto_front(trades: Sequence[Trade]) -> list[Trade]:
    """Return the trades that no other beats, in ascending order of saving."""
    front = [trade for trade in trades if not any(other.beats(trade) for other in trades)]
    return sorted(front, key=lambda trade: (trade.saving, trade.lost))
