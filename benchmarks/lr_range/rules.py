"""Rules that the program's range test is compared with. Each answers from a bench, or refuses."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.lr_range.record import CYCLE_SEEDS
from benchmarks.lr_range.recording import CLASSES, Bench, Recording
from benchmarks.ramps.bounds import find_bounds
from tune_s11.config import InputError, SearchSettings
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.cycles import Cycle
from tune_s11.lr_range.rule import ask, recommend
from tune_s11.lr_range.suggestions import SUGGESTIONS


class Answer(NamedTuple):
    """Answer of a rule about a condition."""

    first: float | None
    """Rate to train at; None: the rule refused."""
    bounds: tuple[float, float] | None = None
    """Bounds to search within; None: the rule names none."""
    unsure: bool = False
    """Whether the rule reported that it is unsure."""


Rule = Callable[[Bench], Answer]


def on_ramp(suggest: Callable[[LRCurve], float]) -> Rule:
    """Return a rule that reads one rate off the ramps."""

    def answer(bench: Bench) -> Answer:
        curve = bench.ramps()
        try:
            return Answer(suggest(curve))
        except (ValueError, IndexError):  # Nothing finite is left of the curve.
            return Answer(None)

    return answer


def steepest_gradient(curve: LRCurve) -> float:
    """Return the rate where the loss falls fastest per step, as the package torch-lr-finder suggests.

    The package's defaults are used: one ramp, a moving average without bias correction in which each new loss has
    weight 0.05, a stop where this average exceeds five times its lowest value, and the first ten and the last five
    steps left out (``LRFinder.plot``).
    """
    smoothed: list[float] = []
    for loss in curve.losses[0]:
        smoothed.append(float(loss) if not smoothed else 0.05 * float(loss) + 0.95 * smoothed[-1])
        if not math.isfinite(smoothed[-1]) or smoothed[-1] > 5 * min(smoothed):
            break
    seen = np.array(smoothed[10:-5])
    return float(curve.lrs[10 + int(np.argmin(np.gradient(seen)))])


def replaced_test(bench: Bench) -> Answer:
    """Answer as the program did before its range test trained cycles: with bounds from where ramps end."""
    try:
        bounds = find_bounds(bench.ramps())
    except InputError:
        return Answer(None)
    return Answer(bounds.suggestion, (bounds.low, bounds.high))


def this_program(trials: int) -> Rule:
    """Return the program's rule.

    Args:
        trials: Highest cost that it may have, in complete trainings.
    """

    def answer(bench: Bench) -> Answer:
        recipe, rates, default = bench.recording.recipe, bench.recording.condition.rates, SearchSettings().lr_range
        lr_range = max(default[0], rates[0]), min(default[1], rates[-1])
        settings = SearchSettings(lr_range=lr_range, lr_range_trials=trials, seed=CYCLE_SEEDS[0])
        question = ask(recipe, settings, np.arange(CLASSES))  # balanced labels, as the images' nearly are
        found = recommend(question, bench.train_all)
        return Answer(found.first, (found.low, found.high), found.unsure)

    return answer


def halving(bench: Bench) -> Answer:
    """Answer by successive halving on the learning rate alone: the better half trains twice as long, until one is left.

    Kevin Jamieson and Ameet Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization"
    (arXiv:1502.07943). It starts from every second recorded rate: nine, two thirds of a decade apart. The cycles take a
    twelfth, a sixth and a third of the training.
    """
    left = bench.recording.condition.rates[::2]
    for epochs in (1, 2, 4):
        found = bench.train_all([Cycle(epochs, rate, CYCLE_SEEDS[0]) for rate in left])
        scores = {cycle.max_lr: outcome.accuracy or 0.0 for cycle, outcome in found.items()}
        left = sorted(scores, key=scores.__getitem__, reverse=True)[: max(1, len(left) // 2)]
    return Answer(left[0])


def constant(rate: float, power: float) -> Rule:
    """Return a rule that always answers the same rate, scaled by momentum with SGD.

    Args:
        rate: Rate without momentum.
        power: Power of (1 - momentum) that multiplies it. With 1, the step size once momentum has built up is the same
            for all momenta; with 0, the rate is.
    """

    def answer(bench: Bench) -> Answer:
        recipe = bench.recording.recipe
        return Answer(rate * (1 - recipe.momentum) ** power if recipe.optimizer == "sgd" else rate)

    return answer


CONSTANTS = tuple(float(rate) for rate in 10 ** (np.arange(-60, 17) / 12))
"""Constants among which the best is chosen, from 1e-5 to 21."""


def best_constant(others: list[Recording], power: float) -> float:
    """Return the constant that loses least accuracy on average over recordings of one optimizer."""
    lost = [np.mean([each.lost(constant(rate, power)(Bench(each)).first) for each in others]) for rate in CONSTANTS]
    return CONSTANTS[int(np.argmin(lost))]


def constants_of_others(recordings: list[Recording], power: float = 0.0) -> dict[str, Rule]:
    """Return, for each condition, the best constant for the other networks' conditions with its optimizer.

    Args:
        recordings: Recordings to choose from and to answer for.
        power: See :func:`constant`.

    Returns:
        Rules by the condition's name, without those for which no other network was recorded.
    """
    found = {}
    for recording in recordings:
        others = [
            other
            for other in recordings
            if network(other) != network(recording) and other.condition.optimizer == recording.condition.optimizer
        ]
        if others:
            found[recording.condition.name] = constant(best_constant(others, power), power)
    return found


def network(recording: Recording) -> str:
    """Return the network of a condition, whatever its width, logit scale and images."""
    return str(recording.recipe.model)


ON_RAMPS: dict[str, Rule] = {name: on_ramp(rule) for name, rule in SUGGESTIONS.items()} | {
    "torch-lr-finder": on_ramp(steepest_gradient)
}
"""The four suggestions of fastai and that of torch-lr-finder, by name."""
