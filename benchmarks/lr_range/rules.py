"""The rules that the program's range test is compared with. Each answers from a bench, or refuses."""

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
    """What a rule says of a condition."""

    first: float | None
    """The rate to train at; None: it refused."""
    bounds: tuple[float, float] | None = None
    """Where to search; None: it names none."""
    unsure: bool = False
    """Whether it said that it could not tell."""


Rule = Callable[[Bench], Answer]


def on_ramp(suggest: Callable[[LRCurve], float]) -> Rule:
    """Return the rule that reads one rate off the ramps."""

    def answer(bench: Bench) -> Answer:
        curve = bench.ramps()
        try:
            return Answer(suggest(curve))
        except (ValueError, IndexError):  # Nothing finite is left of the curve.
            return Answer(None)

    return answer


def steepest_gradient(curve: LRCurve) -> float:
    """Return where the loss falls fastest a step, as the package torch-lr-finder suggests.

    Its defaults: one ramp, an average without bias correction that each new loss enters with 0.05, an end where that
    exceeds its lowest five times, and no look at the first ten and the last five steps (``LRFinder.plot``).
    """
    smoothed: list[float] = []
    for loss in curve.losses[0]:
        smoothed.append(float(loss) if not smoothed else 0.05 * float(loss) + 0.95 * smoothed[-1])
        if not math.isfinite(smoothed[-1]) or smoothed[-1] > 5 * min(smoothed):
            break
    seen = np.array(smoothed[10:-5])
    return float(curve.lrs[10 + int(np.argmin(np.gradient(seen)))])


def replaced_test(bench: Bench) -> Answer:
    """Answer as the program did until its range test trained cycles: bounds from where ramps end."""
    try:
        bounds = find_bounds(bench.ramps())
    except InputError:
        return Answer(None)
    return Answer(bounds.suggestion, (bounds.low, bounds.high))


def this_program(trials: int) -> Rule:
    """Return the program's rule.

    Args:
        trials: What it may cost, in complete trainings.
    """

    def answer(bench: Bench) -> Answer:
        recipe, rates, default = bench.recording.recipe, bench.recording.condition.rates, SearchSettings().lr_range
        lr_range = max(default[0], rates[0]), min(default[1], rates[-1])
        settings = SearchSettings(lr_range=lr_range, lr_range_trials=trials, seed=CYCLE_SEEDS[0])
        question = ask(recipe, settings, np.arange(CLASSES))  # its labels are as good as even
        found = recommend(question, bench.train_all)
        return Answer(found.first, (found.low, found.high), found.unsure)

    return answer


def halving(bench: Bench) -> Answer:
    """Answer by successive halving on the learning rate alone: nine rates, the better half twice as long, to the last.

    Kevin Jamieson and Ameet Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization"
    (arXiv:1502.07943). Every second recorded rate, so two thirds of a decade apart; cycles of a twelfth, a sixth and a
    third of the training.
    """
    left = bench.recording.condition.rates[::2]
    for epochs in (1, 2, 4):
        found = bench.train_all([Cycle(epochs, rate, CYCLE_SEEDS[0]) for rate in left])
        scores = {cycle.max_lr: outcome.accuracy or 0.0 for cycle, outcome in found.items()}
        left = sorted(scores, key=scores.__getitem__, reverse=True)[: max(1, len(left) // 2)]
    return Answer(left[0])


def constant(rate: float, scaled: bool) -> Rule:
    """Return the rule that always answers the same rate.

    Args:
        rate: The rate, or what ``rate / (1 - momentum)`` has to be.
        scaled: Whether it is the latter, which is the size of a step once momentum has built up.
    """

    def answer(bench: Bench) -> Answer:
        recipe = bench.recording.recipe
        return Answer(rate * (1 - recipe.momentum) if scaled and recipe.optimizer == "sgd" else rate)

    return answer


CONSTANTS = tuple(float(rate) for rate in 10 ** (np.arange(-60, 17) / 12))
"""Constants among which the best is chosen, 1e-5 to 21."""


def best_constant(others: list[Recording], scaled: bool) -> float:
    """Return the constant that costs least accuracy on average over recordings, of one optimizer."""
    lost = [np.mean([each.lost(constant(rate, scaled)(Bench(each)).first) for each in others]) for rate in CONSTANTS]
    return CONSTANTS[int(np.argmin(lost))]


def constants_of_others(recordings: list[Recording], scaled: bool) -> dict[str, Rule]:
    """Return for each condition the best constant of the other networks' conditions with its optimizer.

    Args:
        recordings: To choose from and to answer.
        scaled: As in :func:`constant`.

    Returns:
        A rule by the condition's name; none where no other network was recorded.
    """
    found = {}
    for recording in recordings:
        others = [
            other
            for other in recordings
            if network(other) != network(recording) and other.condition.optimizer == recording.condition.optimizer
        ]
        if others:
            found[recording.condition.name] = constant(best_constant(others, scaled), scaled)
    return found


def network(recording: Recording) -> str:
    """Return which network a condition is of, whatever its width, logit scale and images."""
    return str(recording.recipe.model)


ON_RAMPS: dict[str, Rule] = {name: on_ramp(rule) for name, rule in SUGGESTIONS.items()} | {
    "torch-lr-finder": on_ramp(steepest_gradient)
}
"""fastai's four suggestions, and torch-lr-finder's."""
