"""Ranks each trial at the last rung that it has reached, among all trials that have reached that rung."""

from collections.abc import Iterable, Sequence


class Standings:
    """The scores of trials at rungs.

    Args:
        rungs: Epochs of the policy's rungs.
    """

    def __init__(self, rungs: Sequence[int]) -> None:
        self._scores: dict[int, dict[int, float]] = {rung: {} for rung in sorted(rungs)}

    def record(self, number: int, epochs: Iterable[tuple[int, float]]) -> None:
        """Record a trial's epochs and scores; epochs between rungs are ignored."""
        for epoch, score in epochs:
            if epoch in self._scores:
                self._scores[epoch][number] = score

    def of(self, number: int) -> str:
        """Return a trial's rank, such as ``2 of 7 at epoch 4``; empty before its first rung."""
        passed = [rung for rung, scores in self._scores.items() if number in scores]
        if not passed:
            return ""
        scores = dict(self._scores[passed[-1]])  # copied, because other trials may report meanwhile
        better = sum(score > scores[number] for score in scores.values())
        return f"{better + 1} of {len(scores)} at epoch {passed[-1]}"
