"""The range test's rule: which short cycles to train, and which peak learning rates these recommend."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tune_s11.config import InputError, Recipe, SearchSettings
from tune_s11.lr_range.cycles import Cycle, Outcome

A_DECADE = 3
"""Rates on the grid a decade."""

LEARNED = 0.001
"""Share of the loss of chance that a network which shows signs of learning has shed. So little is a sign already: no
network gets below that loss without having learned something from the images."""

SURE = 0.015
"""Share of it that the best of the longer cycles has to shed, or the test could not tell."""

KEPT = 1.3
"""Rates whose loss is at most this many times the lowest one stay in the bounds, if from chance they have made at least
half the way down to it."""

REACH = 2
"""Rates on each side of the best one that are tried in longer cycles, at first."""

LOWER = 0.5
"""Steps of the grid by which the first rate lies below the middle of what is kept: the longer the training, the better
low rates do, and the worse the highest."""

WIDEST = 1.5
"""Decades that the bounds span at most: a search in wider ones would find the rate anew."""

PARTS = (12, 6, 3)
"""Parts of the complete training that cycles are, the shortest first: the scan begins with it, and grows where nothing
learns; a test that may cost one, two or three trainings refines with the first, second or third."""

Train = Callable[[Sequence[Cycle]], Mapping[Cycle, Outcome]]
"""Trains cycles, side by side where it can, or looks up what they ended with."""


class Question(NamedTuple):
    """What the rule has to know of a training."""

    epochs: int
    """Of the complete training."""
    lr_range: tuple[float, float]
    """Lowest and highest rate to try."""
    trials: int
    """What the test may cost, in complete trainings, 1 to 3."""
    chance: float
    """Loss of a network that has learned nothing: for classes, see :func:`class_entropy`."""
    fallback: float
    """Rate to try first where the cycles show nothing."""
    seed: int
    """Of the cycles."""


@dataclass(frozen=True)
class Answer:
    """What the rule recommends."""

    low: float
    """Lowest peak learning rate worth a trial."""
    high: float
    """Highest peak learning rate worth a trial."""
    first: float
    """The one to try first."""
    unsure: bool
    """Whether the cycles showed nothing, and this is no more than a common choice."""
    reasons: dict[str, str]
    """A line for ``low``, ``high`` and ``suggestion``."""


def ask(recipe: Recipe, settings: SearchSettings, labels: npt.NDArray[Any]) -> Question:
    """Return what the rule has to know.

    Args:
        recipe: Of a complete training.
        settings: Of the search.
        labels: Of the validation images, (N,).

    Raises:
        InputError: The range of rates has no room for a test.
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
    """Return the cross-entropy, in nats, of knowing how frequent each class is among labels, (N,), and no more."""
    shares = np.unique(labels, return_counts=True)[1] / len(labels)
    return float(-(shares * np.log(shares)).sum())


def usual_rate(optimizer: Literal["sgd", "adamw"], momentum: float, logit_scale: float = 1.0) -> float:
    """Return the rate to try where nothing is known of a network.

    With SGD the size of a step grows by 1 / (1 - momentum), and shrinks with the gradient, as the logits are scaled.
    """
    return 0.3 * (1 - momentum) / logit_scale if optimizer == "sgd" else 0.003


def rehearse(question: Question) -> list[list[Cycle]]:
    """Return the cycles of a test in which nothing unusual happens: those of a round are trained side by side."""
    rounds: list[list[Cycle]] = []

    def train(cycles: Sequence[Cycle]) -> dict[Cycle, Outcome]:
        rounds.append(list(cycles))
        bowl = {cycle: abs(math.log10(cycle.max_lr / question.fallback)) for cycle in cycles}
        return {cycle: Outcome(0.5, (0.2 + 0.1 * away) * question.chance, cycle.epochs) for cycle, away in bowl.items()}

    recommend(question, train)
    return rounds


def expected_epochs(question: Question) -> int:
    """Return what the cycles of such a test cost."""
    return sum(cycle.epochs for cycles in rehearse(question) for cycle in cycles)


def recommend(question: Question, train: Train) -> Answer:
    """Find the peak learning rates worth a trial.

    Cycles of a twelfth of the training, a decade apart, show where the network learns at all; where it learns at no
    rate, they grow. Longer ones, a third of a decade apart, follow around the best. What ends with a loss close to the
    lowest is kept, and the middle of that is tried first: a single cycle's lowest loss is partly luck. Loss, not
    accuracy: it shows the first signs of learning long before an accuracy exceeds chance.

    Args:
        question: What to know.
        train: Trains the cycles. The rule asks for the same ones whenever these end the same.
    """
    test = _Test(question, train)
    alive = test.scan()
    if not alive:
        return _fall_back(question)
    losses, apart = test.refine(min(alive, key=alive.__getitem__)), 1
    if not losses:
        losses, apart = alive, A_DECADE
    low = high = min(losses, key=losses.__getitem__)
    if losses[low] > (1 - SURE) * question.chance:
        return _fall_back(question)
    limit = min(KEPT * losses[low], (losses[low] + question.chance) / 2)
    while losses.get(low - apart, math.inf) <= limit:
        low -= apart
    while losses.get(high + apart, math.inf) <= limit:
        high += apart
    lowest, highest = question.lr_range
    first = _rate((low + high) / 2 - LOWER)
    half = 10 ** (WIDEST / 2)
    below, above = max(_rate(low - apart), first / half), min(_rate(high + apart), first * half)
    kept = f"cycle that ended with a loss within {KEPT - 1:.0%} of the lowest"
    margin = "a third of a decade" if apart == 1 else "a decade"
    return Answer(
        low=max(lowest, below),
        high=min(highest, above),
        first=min(highest, max(lowest, first)),
        unsure=False,
        reasons={
            "low": f"{margin} below the lowest {kept}" + _widest(below > _rate(low - apart)),
            "high": f"{margin} above the highest {kept}" + _widest(above < _rate(high + apart)),
            "suggestion": "a sixth of a decade below the middle of these cycles",
        },
    )


def _widest(applies: bool) -> str:
    return f", at most {10 ** (WIDEST / 2):.1f} times from the first rate" if applies else ""


class _Test:
    """A test under way, within what it may cost. Rates are numbers of the grid."""

    def __init__(self, question: Question, train: Train) -> None:
        self._question, self._train = question, train
        lowest, highest = (A_DECADE * math.log10(end) for end in question.lr_range)
        self._grid = range(math.ceil(lowest - 1e-6), math.floor(highest + 1e-6) + 1)
        self._left = question.trials * question.epochs
        self._known: dict[Cycle, float] = {}

    def scan(self) -> dict[int, float]:
        """Return the losses of the rates, a decade apart, at which the network learns.

        Where it cannot pay for all of them it tries those nearest to the usual rate.
        """
        usual = A_DECADE * math.log10(self._question.fallback)
        rates = sorted((index for index in self._grid if index % A_DECADE == 0), key=lambda index: abs(index - usual))
        for epochs in self._lengths():
            affordable = sorted(rates[: self._left // epochs])
            losses = self._losses(affordable, epochs) if affordable else {}
            alive = {index: loss for index, loss in losses.items() if loss <= (1 - LEARNED) * self._question.chance}
            if alive:
                return alive
            rates = [index for index in rates if losses.get(index, 0.0) < math.inf]
        return {}

    def refine(self, best: int) -> dict[int, float]:
        """Return the losses of longer cycles around a rate, and beyond until the lowest is at no end; none if it cannot
        pay for them."""
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
        return len(rates) * epochs <= self._left

    def _losses(self, rates: Sequence[int], epochs: int) -> dict[int, float]:
        cycles = {index: Cycle(epochs, _rate(index), self._question.seed) for index in rates}
        new = [cycle for cycle in cycles.values() if cycle not in self._known]
        self._left -= len(new) * epochs
        outcomes = self._train(new) if new else {}
        self._known |= {cycle: _loss(outcomes[cycle]) for cycle in new}
        return {index: self._known[cycle] for index, cycle in cycles.items()}


def _loss(outcome: Outcome) -> float:
    return math.inf if outcome.loss is None else outcome.loss


def _rate(index: float) -> float:
    return float(f"{10 ** (index / A_DECADE):.4g}")


def given(max_lr: float) -> Answer:
    """Return the answer where the rate is no question, and only min_lr is to be found."""
    return Answer(max_lr, max_lr, max_lr, unsure=False, reasons=dict.fromkeys(("low", "high", "suggestion"), "given"))


def _fall_back(question: Question) -> Answer:
    half = 10 ** (WIDEST / 2)
    nothing = f"no cycle learned anything: common bounds of {WIDEST:g} decades"
    return Answer(
        low=question.fallback / half,
        high=question.fallback * half,
        first=question.fallback,
        unsure=True,
        reasons={"low": nothing, "high": nothing, "suggestion": "a common rate with this optimizer and momentum"},
    )
