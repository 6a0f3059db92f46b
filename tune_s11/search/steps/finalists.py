"""Step 4 of a search: runs the best few trials again from the same new seeds, and determines the winner.

The best of many trials owes part of its score to a lucky seed and to noise from the validation images. Runs from seeds
that no trial had show which trial is better without that luck, and whether the difference exceeds the noise.
"""

from collections.abc import Callable, Mapping, Sequence, Set

import numpy as np
import numpy.typing as npt
from ray import ObjectRef

from tune_s11.config import Recipe, SearchSettings
from tune_s11.results import SearchResult, TrialResult, trial_name
from tune_s11.results.records import FinalistScores, Margin, Summary, Verdict
from tune_s11.search.context import Context
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.workers.parts import Worker
from tune_s11.storage.sync import Shared
from tune_s11.text import short
from tune_s11.training.fitting import fit
from tune_s11.training.metrics import RunFolder
from tune_s11.training.trainer import Trainer, TrainingData

SEEDS_FROM = 1_000_000
"""Offset of the first run's seed from the search's seed, far from the seeds of all trials and refits."""

CONFIDENCE = 0.95


def seeds_of(settings: SearchSettings) -> range:
    """Return the seeds from which finalists are run."""
    first = settings.seed + SEEDS_FROM
    return range(first, first + settings.finalist_seeds)


def choose_winner(context: Context, data: ObjectRef) -> TrialResult:
    """Return the best trial, after the finalists' runs if there are any.

    Args:
        context: Context of the search.
        data: Training/validation split of the trials, in the object store.

    Raises:
        SearchFailedError: No trial is complete.
    """
    search = context.search()
    entrants = search.entrants
    if len(entrants) > 1 and search.finalists is None:
        names = ", ".join(trial.name for trial in entrants)
        context.display.begin("finalists")
        run_finalists(
            context,
            entrants,
            data,
            lambda done, total: context.display.advance(done / total, f"finalists {names}: epoch {done} of {total}"),
        )
    winner, verdict = search.winner, search.finalists
    if winner is None:
        raise SearchFailedError(f"{_why_none(search)}; {context.folder.trials} has the details")
    if verdict is not None:
        context.say(
            f"finalists: {len(verdict.trials)} trials from {len(verdict.seeds)} seeds each; {winner.name} has "
            f"{verdict.trials[winner.name].mean:.4f}, {verdict.margin.mean:.4f} more than {verdict.runner_up}"
            + (", within noise" if verdict.tied else "")
        )
        for line in _gained(verdict):
            context.say(line)
    context.say(f"winner: {winner.name}, validation accuracy {winner.score:.4f} ({winner.recipe.weights})")
    context.say("  " + ", ".join(f"{name} {short(value)}" for name, value in winner.params.items()))
    return winner


def _why_none(search: SearchResult) -> str:
    interrupted = any(trial.state == "running" for trial in search.trials)
    again = "; --resume continues those that were interrupted" if interrupted else ""
    return search.why_no_winner + again


def _gained(verdict: Verdict) -> list[str]:
    """Return a line on the gain over the first trial; none if that is not among the finalists.

    The gain is an upper bound, because the winner was chosen by the same runs.
    """
    gain, first = verdict.gain, trial_name(0)
    if verdict.winner == first:
        return [f"  {first} is the first trial: searching has gained nothing"]
    if gain is None:
        return []
    between = "" if gain.low is None or gain.high is None else f" ({gain.low:.4f} to {gain.high:.4f})"
    if gain.mean < 0 and not gain.within_noise:
        return [f"  {first}, the first trial, is better by {-gain.mean:.4f}; it was pruned, so it cannot win"]
    noise = ", within noise" if gain.within_noise else ""
    return [f"  searching has gained {gain.mean:.4f}{between} over {first}, the first trial{noise}; an upper estimate"]


def run_finalists(
    context: Context, finalists: list[TrialResult], data: ObjectRef, on_progress: Callable[[int, int], None]
) -> None:
    """Run each finalist from ``finalist_seeds`` seeds, and write the verdict.

    Runs that have started are resumed, and a run's checkpoint is deleted when the run is done. If runs fail for good,
    the finalists are compared on the seeds that they still share; if they share none, there is no verdict.

    Args:
        context: Context of the search.
        finalists: Two or more trials; those that were pruned cannot win.
        data: See :func:`choose_winner`.
        on_progress: Function that is called repeatedly with the number of epochs done and the total.
    """
    seeds = seeds_of(context.config.search)
    calls = {
        context.folder.finalist(trial.name, seed): (trial.recipe, data, seed) for trial in finalists for seed in seeds
    }
    epochs = finalists[0].recipe.epochs
    names = [f"finalist {trial.name} from seed {seed}" for trial in finalists for seed in seeds]
    found = iter(train_runs(context, calls, names, epochs, on_progress))
    scores = comparable({trial.name: {seed: next(found) for seed in seeds} for trial in finalists})
    may_win = {trial.name for trial in finalists if trial.name in scores and trial.state == "complete"}
    if len(may_win) < 2:
        context.say("finalists: too many runs failed to compare them; the best trial wins")
        return
    seeds_left = list(next(iter(scores.values())))
    judged = judge({name: list(row.values()) for name, row in scores.items()}, seeds_left, may_win)
    failed = tuple(trial.name for trial in finalists if trial.name not in scores)
    judged.model_copy(update={"failed": failed}).write(context.folder.verdict)


def comparable(scores: Mapping[str, Mapping[int, float | None]]) -> dict[str, dict[int, float]]:
    """Return the scores that are comparable after failures: trials with a run left, on the seeds that they share.

    Args:
        scores: Scores by trial and seed; None for a run that has failed.

    Returns:
        The scores without gaps; empty if no seed is left.
    """
    left = {name: row for name, row in scores.items() if any(score is not None for score in row.values())}
    whole = {name: {seed: score for seed, score in row.items() if score is not None} for name, row in left.items()}
    seeds = [seed for seed in next(iter(scores.values())) if all(seed in row for row in whole.values())]
    return {name: {seed: row[seed] for seed in seeds} for name, row in whole.items()} if seeds else {}


def train_runs(
    context: Context,
    calls: Mapping[RunFolder, tuple[Recipe, ObjectRef, int]],
    names: Sequence[str],
    epochs: int,
    on_progress: Callable[[int, int], None],
) -> list[float | None]:
    """Train recipes in workers, or resume them.

    Args:
        context: Context of the search.
        calls: Recipe, data and seed of each run, by its folder.
        names: Names of the runs, for messages about failures.
        epochs: Epochs of each run.
        on_progress: Function that is called repeatedly with the number of epochs done and the total.

    Returns:
        The last score of each run; None for one that has failed for good.

    Raises:
        SearchFailedError: All runs have failed.
    """
    results = context.executor.run_in_folders(
        run_again,
        calls,
        epochs,
        context.workspace,
        on_progress,
        lambda call, reason: context.say_repeated(names[call], reason),
    )
    return context.succeeded(names, results)


def run_again(worker: Worker, shared: Shared, recipe: Recipe, data: TrainingData, seed: int) -> float:
    """Train a recipe in a worker, or resume it, and return its last score; the checkpoint is deleted at the end."""
    with shared.opened(worker.alive, worker.waiting) as (path, grown):
        folder = RunFolder(path)
        epochs = folder.epochs()
        if not epochs or (epochs[-1].epoch < recipe.epochs and not epochs[-1].diverged):
            epochs = fit(Trainer(recipe, data, worker.hardware, seed), folder, on_epoch=lambda metrics: grown())
        folder.checkpoint.unlink(missing_ok=True)  # checkpoints of 15 runs would be most of a search's size
    return epochs[-1].score


def judge(scores: dict[str, list[float]], seeds: Sequence[int], may_win: Set[str]) -> Verdict:
    """Determine the winner, and by how much it leads.

    Args:
        scores: Scores of each trial, one per seed, with the same seeds in the same order for all; two trials or more.
        seeds: Seeds of the scores, in this order.
        may_win: Trials that may win, two or more.

    Returns:
        The verdict; see :func:`lead` for its margins.
    """
    ranked = sorted(scores, key=lambda name: -float(np.mean(scores[name])))
    winner, runner_up = [name for name in ranked if name in may_win][:2]
    margin, first = lead(scores[winner], scores[runner_up]), trial_name(0)
    return Verdict(
        seeds=tuple(seeds),
        trials={
            name: FinalistScores(scores=tuple(scores[name]), **Summary.of(scores[name]).model_dump()) for name in ranked
        },
        winner=winner,
        runner_up=runner_up,
        margin=margin,
        tied=margin.within_noise,
        gain=lead(scores[winner], scores[first]) if first in scores and first != winner else None,
    )


def lead(scores: Sequence[float], others: Sequence[float]) -> Margin:
    """Return the mean of the differences seed by seed, with the bounds of Student's interval for two seeds or more."""
    differences = np.subtract(scores, others)
    mean, low, high = float(np.mean(differences)), None, None
    if len(differences) > 1:
        half = half_interval(differences)
        low, high = mean - half, mean + half
    return Margin(mean=mean, low=low, high=high, confidence=CONFIDENCE)


def half_interval(differences: Sequence[float] | npt.NDArray[np.float64]) -> float:
    """Return half the width of Student's confidence interval of the mean of two or more paired differences, (n,)."""
    # ttest_1samp's interval is the same, but it warns if all differences are equal, which happens with few images.
    from scipy.stats import sem, t  # takes a second to import

    return float(t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1) * sem(differences))
