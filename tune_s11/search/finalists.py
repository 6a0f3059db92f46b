"""The finalists: the best few trials, run again from the same seeds, before one of them is named the winner.

The best of many trials owes part of its score to luck with its seed and with the validation images' noise. Runs from
seeds that no trial had tell which is better without that luck, and by how much they differ beyond noise.
"""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ray import ObjectRef

from tune_s11.checkpoint import write_whole
from tune_s11.config import Recipe, SearchSettings
from tune_s11.copies import Shared
from tune_s11.hardware import Precision
from tune_s11.mirror import Mirror
from tune_s11.results import SCORE, TrialResult, read_rows
from tune_s11.search.cluster import Workers
from tune_s11.search.tasks import run_in_folders, shared_folder, summary
from tune_s11.train import fit
from tune_s11.trainable import worker_hardware
from tune_s11.trainer import Trainer, TrainingData

SEEDS_FROM = 1_000_000
"""Added to the search's seed for the first run: far from the seeds of any trial and of the refits."""

CONFIDENCE = 0.95


def _run_again(
    recipe: Recipe, data: TrainingData, precision: Precision, threads: int, seed: int, shared: Shared
) -> float:
    with shared.opened() as (folder, grown):
        rows = read_rows(folder / "metrics.jsonl")
        if not rows or (rows[-1]["epoch"] < recipe.epochs and not rows[-1]["diverged"]):
            hardware = worker_hardware(precision, threads)
            hardware.activate()
            rows = fit(Trainer(recipe, data, hardware, seed), folder, on_epoch=lambda metrics: grown())
        (folder / "checkpoint.pt").unlink(missing_ok=True)  # 15 of them would be the largest part of a search
    score: float = rows[-1][SCORE]
    return score


def run_finalists(
    path: Path,
    finalists: list[TrialResult],
    data: ObjectRef,
    settings: SearchSettings,
    workers: Workers,
    precision: Precision,
    on_progress: Callable[[int, int], None],
    mirror: Mirror | None = None,
) -> None:
    """Runs each finalist from ``finalist_seeds`` seeds and writes ``finalists.json``.

    Args:
        path: The search folder. Gets ``finalists/TRIAL/seed-N/``; runs that are there already go on from where
            they are. A run's checkpoint goes when it ends.
        finalists: Two or more complete trials.
        data: As the trials had it: to learn from and validate on, in the object store.
        settings: ``finalist_seeds`` and the seed to count from.
        workers: A run's resources are a trial's.
        precision: As asked for.
        on_progress: Called now and then with epochs done and epochs in all.
        mirror: Of the search folder, where results go to a storage.
    """
    seeds = range(settings.seed + SEEDS_FROM, settings.seed + SEEDS_FROM + settings.finalist_seeds)
    runs = [
        (trial, shared_folder(path / "finalists" / trial.name / f"seed-{seed}", mirror), seed)
        for trial in finalists
        for seed in seeds
    ]
    calls = [(trial.recipe, data, precision, workers.cpus, seed, folder) for trial, folder, seed in runs]
    folders, epochs = [folder for _, folder, _ in runs], finalists[0].recipe.epochs
    scores = run_in_folders(_run_again, calls, folders, epochs, workers, mirror, on_progress)
    rows = np.reshape(scores, (len(finalists), len(seeds)))
    verdict = judge({trial.name: row.tolist() for trial, row in zip(finalists, rows, strict=True)})
    write_whole(path / "finalists.json", json.dumps({"seeds": list(seeds)} | verdict, indent=2))


def judge(scores: dict[str, list[float]]) -> dict[str, Any]:
    """Names the winner, and by how much it leads.

    Args:
        scores: By trial its scores, one a seed, the same seeds in the same order for all; two trials or more.

    Returns:
        ``trials`` (scores, mean, sd and n of each, best mean first), the ``winner``, the ``runner_up``, and the
        winner's ``margin`` over it: mean of the differences seed by seed, with the bounds of Student's interval
        (None with a single seed). ``tied`` where that interval holds 0 or there is none.
    """
    ranked = sorted(scores, key=lambda name: -float(np.mean(scores[name])))
    winner, runner_up = ranked[:2]
    differences = np.subtract(scores[winner], scores[runner_up])
    mean = float(np.mean(differences))
    low = high = None
    if len(differences) > 1:
        half = half_interval(differences)
        low, high = mean - half, mean + half
    return {
        "trials": {name: {"scores": scores[name]} | summary(scores[name]) for name in ranked},
        "winner": winner,
        "runner_up": runner_up,
        "margin": {"mean": mean, "low": low, "high": high, "confidence": CONFIDENCE},
        "tied": low is None or low <= 0,
    }


def half_interval(differences: Sequence[float] | npt.NDArray[np.float64]) -> float:
    """Half the width of Student's confidence interval of the mean of paired differences, (n,), two or more."""
    from scipy.stats import t  # takes a second to import

    n = len(differences)
    return float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * float(np.std(differences, ddof=1)) / math.sqrt(n)
