"""Between steps 4 and 5 of a search with a target: finds the fewest epochs in which the winner reaches it.

The winner's recipe is trained for fewer epochs, found by bisection, with its peak scaled to match, on the trials'
images and from seeds that were not used to choose anything. A length counts as reaching the target if the lower
confidence limit of its mean validation accuracy does; one lucky seed does not suffice. The test images are not used.
"""

from collections.abc import Callable, Sequence

import numpy as np
from ray import ObjectRef

from tune_s11.config import Recipe, SearchSettings
from tune_s11.results import TrialResult
from tune_s11.results.records import Lengths, LengthScores, Summary
from tune_s11.search.context import Context
from tune_s11.search.steps.finalists import CONFIDENCE, seeds_of, train_runs
from tune_s11.search_space import SearchConfig


def shorten_to_target(context: Context, winner: TrialResult, data: ObjectRef) -> Recipe:
    """Return the winner's recipe with the fewest epochs that reach the target. An earlier session's result is reused.

    Args:
        context: Context of the search.
        winner: Winning trial.
        data: Training/validation split of the trials, in the object store.

    Returns:
        The recipe; the trial's own if there is no target, or if no length reaches it.

    Raises:
        SearchFailedError: All runs of one length have failed.
    """
    target = context.config.search.target
    if target is None:
        return winner.recipe
    found = context.search().lengths
    if found is None:
        context.display.begin("target")
        found = _find(context, winner, data, target)
        if all(tried.n == context.config.search.finalist_seeds for tried in found.tried):
            found.write(context.folder.lengths)
        else:  # not final: a resumed search retries the failed runs, and finds the others on disk
            context.say("target: runs are missing, so the epochs found may be too many; --resume retries them")
    for line in describe(found):
        context.say(line)
    return winner.recipe if found.fewest is None else winner.recipe.resized(found.fewest)


def _find(context: Context, winner: TrialResult, data: ObjectRef, target: float) -> Lengths:
    tried: dict[int, LengthScores] = {}
    total = sum(worst_case(winner.recipe.epochs))

    def reaches(epochs: int) -> bool:
        before = sum(tried)

        def on_progress(done: int, of: int) -> None:
            line = (
                f"target {target:g}: {epochs} epochs, {done} of {of} over {context.config.search.finalist_seeds} seeds"
            )
            context.display.advance((before + epochs * done / of) / total, line)

        tried[epochs] = score_length(_run(context, winner, epochs, data, on_progress), epochs)
        low = tried[epochs].low
        return low is not None and low >= target

    fewest = bisect(winner.recipe.epochs, reaches)
    return Lengths(trial=winner.name, target=target, confidence=CONFIDENCE, tried=tuple(tried.values()), fewest=fewest)


def fresh_seeds(settings: SearchSettings) -> range:
    """Return as many seeds as a finalist has, after the finalists' own, which were used to choose the winner."""
    last = seeds_of(settings).stop
    return range(last, last + settings.finalist_seeds)


def bisect(longest: int, reaches: Callable[[int], bool]) -> int | None:
    """Return the fewest epochs that reach the target, assuming that more epochs never score lower.

    Args:
        longest: Epochs of a trial, which are tried first.
        reaches: Function that returns whether a number of epochs reaches the target.

    Returns:
        The epochs; None if not even the longest suffices.
    """
    if not reaches(longest):
        return None
    too_few = 0
    while longest - too_few > 1:
        middle = (too_few + longest) // 2
        if reaches(middle):
            longest = middle
        else:
            too_few = middle
    return longest


def worst_case(epochs: int) -> list[int]:
    """Return the lengths, in epochs, that are tried if only a trial's full length reaches the target."""
    tried: list[int] = []

    def reaches(length: int) -> bool:
        tried.append(length)
        return length == epochs

    bisect(epochs, reaches)
    return tried


def lengths_at_most(config: SearchConfig) -> tuple[int, ...]:
    """Return the lengths, in epochs, that a search trains in the worst case; none without a target."""
    return () if config.search.target is None else tuple(worst_case(config.recipe.epochs))


def score_length(scores: dict[int, float], epochs: int) -> LengthScores:
    """Return the scores of one length with their mean and its lower confidence limit.

    Args:
        scores: Scores by seed, one or more.
        epochs: The length.
    """
    values = list(scores.values())
    low = lower_limit(values) if len(values) > 1 else None
    return LengthScores(epochs=epochs, scores=scores, low=low, **Summary.of(values).model_dump())


def lower_limit(scores: Sequence[float]) -> float:
    """Return Student's one-sided lower confidence limit of the mean of two or more scores."""
    from scipy.stats import sem, t  # takes a second to import

    return float(np.mean(scores) - t.ppf(CONFIDENCE, len(scores) - 1) * sem(scores))


def describe(found: Lengths) -> list[str]:
    """Return the outcome in one line, and one more on the next shorter length that was tried."""
    by_epochs = {each.epochs: each for each in found.tried}
    if found.fewest is None:
        longest = found.tried[0]
        kept = f"the refits still train for {longest.epochs} epochs"
        return [f"target {found.target:g}: not reached by {describe_length(longest)}; {kept}"]
    lines = [f"target {found.target:g}: reached by {describe_length(by_epochs[found.fewest])}"]
    if shorter := [epochs for epochs in by_epochs if epochs < found.fewest]:
        lines.append(f"  too few: {describe_length(by_epochs[max(shorter)])}")
    return lines


def describe_length(length: LengthScores) -> str:
    """Describe a length with its mean validation accuracy and the lower limit of the mean."""
    limit = "no second run" if length.low is None else f"lower {CONFIDENCE:.0%} limit {length.low:.4f}"
    epochs = f"{length.epochs} epoch{'s' if length.epochs > 1 else ''}"
    return f"{epochs} with validation accuracy {length.mean:.4f} (n = {length.n}, {limit})"


def _run(
    context: Context,
    winner: TrialResult,
    epochs: int,
    data: ObjectRef,
    on_progress: Callable[[int, int], None],
) -> dict[int, float]:
    """Return the scores of one length by seed."""
    seeds = fresh_seeds(context.config.search)
    recipe = winner.recipe.resized(epochs)
    calls = {context.folder.length_run(winner.name, epochs, seed): (recipe, data, seed) for seed in seeds}
    names = [f"{epochs} epochs from seed {seed}" for seed in seeds]
    scores = zip(seeds, train_runs(context, calls, names, epochs, on_progress), strict=True)
    return {seed: score for seed, score in scores if score is not None}
