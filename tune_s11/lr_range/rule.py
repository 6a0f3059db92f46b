"""The range test's rule: which short cycles to train, and which peak learning rates follow from them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tune_s11.config import InputError, Recipe, SearchSettings
from tune_s11.lr_range.cycles import Cycle, Outcome

RATES_PER_DECADE = 3
"""Rates per decade on the grid."""

LEARNED = 0.001
"""Share by which a loss must lie below the chance loss to be a sign of learning. It can be small, because no network
gets there without having learned something from the images."""

SURE = 0.015
"""Share by which the best of the longer cycles must do so; otherwise the test is inconclusive."""

KEPT = 0.3
"""Rates whose loss exceeds the lowest loss by at most this share stay within the bounds, if it is also below the
midpoint of the lowest loss and the chance loss."""

REACH = 1
"""Rates on each side of the best one that are tried in longer cycles first."""

WIDEST = 1.5
"""Most decades that the bounds may span: within wider ones, the search would have to find the rate again."""

HALF = 10 ** (WIDEST / 2)
"""Largest factor between the rate to try first and a bound."""

PARTS = (12, 6, 3)
"""Divisors of the complete training's epochs, which give the lengths of the cycles, the shortest first. The scan starts
with the shortest cycles, and lengthens them if nothing learns. A test that may cost one, two or three trainings refines
with the first, second or third length."""

Train = Callable[[Sequence[Cycle]], Mapping[Cycle, Outcome]]
"""Function that trains cycles, in parallel if it can, or looks up their outcomes."""


class Question(NamedTuple):
    """The input of the rule: a training, and the limits of the test."""

    epochs: int
    """Epochs of the complete training."""
    lr_range: tuple[float, float]
    """Lowest and highest rate to try."""
    trials: int
    """Limit on the cost of the test, in complete trainings, 1 to 3."""
    chance: float
    """Loss of a network that has learned nothing; for classes, see :func:`class_entropy`."""
    fallback: float
    """Rate to try first if the cycles show nothing."""
    seed: int
    """Seed of the cycles."""


@dataclass(frozen=True)
class Answer:
    """The recommendation of the rule."""

    low: float
    """Lowest peak learning rate worth a trial."""
    high: float
    """Highest peak learning rate worth a trial."""
    first: float
    """Rate to try first."""
    unsure: bool
    """Whether the cycles showed nothing; the rates above are then common values."""
    reasons: dict[str, str]
    """One line each for ``low``, ``high`` and ``suggestion``."""


def ask(recipe: Recipe, settings: SearchSettings, labels: npt.NDArray[Any]) -> Question:
    """Build the input of the rule.

    Args:
        recipe: Recipe of a complete training.
        settings: Settings of the search.
        labels: Labels of the validation images, (N,).

    Raises:
        InputError: The range of rates spans less than a factor of 10.
    """
    low, high = settings.lr_range
    if high < 10 * low:
        raise InputError(f"search.lr_range [{low:g}, {high:g}]: must span at least a factor of 10")
    return Question(
        epochs=recipe.epochs,
        lr_range=settings.lr_range,
        trials=settings.lr_range_trials,
        chance=class_entropy(labels),
        fallback=usual_rate(recipe.optimizer, recipe.momentum, recipe.logit_scale),
        seed=settings.seed,
    )


def class_entropy(labels: npt.NDArray[Any]) -> float:
    """Return the entropy, in nats, of the class frequencies of labels (N,): the loss if only these are known."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())


def usual_rate(optimizer: Literal["sgd", "adamw"], momentum: float, logit_scale: float = 1.0) -> float:
    """Return the rate to try if nothing is known about a network.

    With SGD, the gradient shrinks as the logits are scaled down, and so does the step. As momentum varies, the best
    rates follow the square root of 1 - momentum far better than 1 - momentum (benchmarks/lr_range/README.md).
    """
    return 0.1 * math.sqrt(1 - momentum) / logit_scale if optimizer == "sgd" else 0.003


def typical_rounds(question: Question) -> list[list[Cycle]]:
    """Return the cycles of a typical test as rounds; the cycles of a round are trained in parallel."""
    rounds: list[list[Cycle]] = []

    def train(cycles: Sequence[Cycle]) -> dict[Cycle, Outcome]:
        rounds.append(list(cycles))
        bowl = {cycle: abs(math.log10(cycle.max_lr / question.fallback)) for cycle in cycles}
        losses = {cycle: _raised(question.chance, 0.1 * away - 0.8) for cycle, away in bowl.items()}
        return {cycle: Outcome(0.5, loss, cycle.epochs) for cycle, loss in losses.items()}

    recommend(question, train)
    return rounds


def expected_epochs(question: Question) -> int:
    """Return the cost of a typical test in epochs."""
    return sum(cycle.epochs for cycles in typical_rounds(question) for cycle in cycles)


def recommend(question: Question, train: Train) -> Answer:
    """Find the peak learning rates worth a trial.

    Cycles of a twelfth of the training, a decade apart, show where the network learns at all; if it learns at no rate,
    the cycles grow. Longer cycles, a third of a decade apart, are then trained around the best rate. Rates whose cycles
    end with nearly the lowest loss are kept, and their middle is tried first: the lowest loss of a single cycle is
    partly luck. Loss is used instead of accuracy: it shows signs of learning long before accuracy exceeds chance.

    Args:
        question: Input of the rule.
        train: Function that trains the cycles. The same outcomes always lead to the same requests.
    """
    test = _Test(question, train)
    alive = test.scan()
    if not alive:
        return _fall_back(question)
    losses, apart = test.refine(min(alive, key=alive.__getitem__)), 1
    if not losses:
        losses, apart = alive, RATES_PER_DECADE
    low = high = min(losses, key=losses.__getitem__)
    if losses[low] > _raised(question.chance, -SURE):
        return _fall_back(question)
    limit = min(_raised(losses[low], KEPT), (losses[low] + question.chance) / 2)
    while losses.get(low - apart, math.inf) <= limit:
        low -= apart
    while losses.get(high + apart, math.inf) <= limit:
        high += apart
    first, below, above = _rate((low + high) / 2), _rate(low - apart), _rate(high + apart)
    kept = f"rate whose cycle finished with a loss within {KEPT:.0%} of the lowest loss"
    margin = "a third of a decade" if apart == 1 else "a decade"
    low_rate, high_rate = max(below, first / HALF), min(above, first * HALF)
    widest, cut = f", at most {HALF:.1f} times away from the first rate", ", cut off at the end of the range"
    lowest, highest = question.lr_range
    reasons = {
        "low": f"{margin} below the lowest {kept}" + widest * (low_rate > below) + cut * (low_rate < lowest),
        "high": f"{margin} above the highest {kept}" + widest * (high_rate < above) + cut * (high_rate > highest),
        "suggestion": "the middle of these rates",
    }
    return _answer(question, first, low_rate, high_rate, reasons)


def _answer(
    question: Question, first: float, low: float, high: float, reasons: dict[str, str], *, unsure: bool = False
) -> Answer:
    """Return an answer within the range of rates to try."""
    lowest, highest = question.lr_range
    return Answer(
        low=max(lowest, low),
        high=min(highest, high),
        first=min(highest, max(lowest, first)),
        unsure=unsure,
        reasons=reasons,
    )


class _Test:
    """A test within its cost limit. Rates are given by their index on the grid."""

    def __init__(self, question: Question, train: Train) -> None:
        self._question, self._train = question, train
        lowest, highest = (RATES_PER_DECADE * math.log10(end) for end in question.lr_range)
        self._grid = range(math.ceil(lowest - 1e-6), math.floor(highest + 1e-6) + 1)
        self._left = question.trials * question.epochs
        self._known: dict[Cycle, float] = {}

    def scan(self) -> dict[int, float]:
        """Return the losses of the rates, a decade apart, at which the network learns.

        If it cannot afford all of them, it tries those nearest to the usual rate.
        """
        usual = RATES_PER_DECADE * math.log10(self._question.fallback)
        rates = sorted(
            (index for index in self._grid if index % RATES_PER_DECADE == 0), key=lambda index: abs(index - usual)
        )
        limit = _raised(self._question.chance, -LEARNED)
        for epochs in self._lengths():
            affordable = sorted(rates[: self._left // epochs])
            losses = self._losses(affordable, epochs) if affordable else {}
            alive = {index: loss for index, loss in losses.items() if loss <= limit}
            if alive:
                return alive
            rates = [index for index in rates if losses.get(index, 0.0) < math.inf]
        return {}

    def refine(self, best: int) -> dict[int, float]:
        """Return the losses of longer cycles around a rate, extended until the lowest loss is not at an end.

        Empty if it cannot afford them.
        """
        wanted = [index for index in range(best - REACH, best + REACH + 1) if index in self._grid]
        epochs = max((length for length in self._lengths() if self._affords(wanted, length)), default=0)
        losses: dict[int, float] = {}
        while epochs and wanted and self._affords(wanted, epochs):
            losses |= self._losses(wanted, epochs)
            best = min(losses, key=losses.__getitem__)
            wanted = [index for index in (best - 1, best + 1) if index in self._grid and index not in losses]
        return losses

    def _lengths(self) -> list[int]:
        return sorted({max(1, self._question.epochs // part) for part in PARTS[: self._question.trials]})

    def _affords(self, rates: Sequence[int], epochs: int) -> bool:
        return len(self._new(self._cycles(rates, epochs))) * epochs <= self._left

    def _cycles(self, rates: Sequence[int], epochs: int) -> dict[int, Cycle]:
        return {index: Cycle(epochs, _rate(index), self._question.seed) for index in rates}

    def _new(self, cycles: Mapping[int, Cycle]) -> list[Cycle]:
        return [cycle for cycle in cycles.values() if cycle not in self._known]

    def _losses(self, rates: Sequence[int], epochs: int) -> dict[int, float]:
        cycles = self._cycles(rates, epochs)
        new = self._new(cycles)
        self._left -= len(new) * epochs
        outcomes = self._train(new) if new else {}
        self._known |= {cycle: _loss(outcomes[cycle]) for cycle in new}
        return {index: self._known[cycle] for index, cycle in cycles.items()}


def _raised(loss: float, share: float) -> float:
    """Return a loss raised by a share of its size; a loss may be negative."""
    return loss + share * abs(loss)


def _loss(outcome: Outcome) -> float:
    return math.inf if outcome.loss is None else outcome.loss


def _rate(index: float) -> float:
    return float(f"{10 ** (index / RATES_PER_DECADE):.4g}")


def given(max_lr: float) -> Answer:
    """Return the answer if the rate is given, and only ``min_lr`` is to be found."""
    return Answer(max_lr, max_lr, max_lr, unsure=False, reasons=dict.fromkeys(("low", "high", "suggestion"), "given"))


def _fall_back(question: Question) -> Answer:
    nothing = f"no cycle was both long enough and clearly better than guessing: common bounds of {WIDEST:g} decades"
    reasons = {"low": nothing, "high": nothing, "suggestion": "a common rate with this optimizer and momentum"}
    lowest, highest = question.lr_range
    usual = min(highest, max(lowest, question.fallback))
    return _answer(question, usual, usual / HALF, usual * HALF, reasons, unsure=True)
