"""Read files of recorded learning curves into arrays of what a pruner would have seen."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.tools.lines import read_lines
from tune_s11.config import InputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RECORDINGS = Path(__file__).parent / "recordings"
CIFAR10_W16 = RECORDINGS / "cifar10-w16.jsonl"
DIGITS_WIDE = RECORDINGS / "digits-wide.jsonl"


@dataclass(frozen=True)
class Curves:
    """Complete curves of ``n`` configurations over ``epochs`` epochs. Accuracies are fractions."""

    header: dict[str, Any]
    configs: list[dict[str, Any]]
    signals: dict[str, Floats]
    """Signals by which a rung could rank after each epoch, by name, (n, epochs): 0 from the epoch in which a trial
    diverged, NaN where the signal was not recorded. ``probe_1/2_ema`` is the accuracy of the EMA weights after a probe
    of half an epoch."""
    costs: dict[str, float]
    """Extra cost of each use of a signal, by signal, in plain epochs: measured medians."""
    chosen_by: Floats
    """Validation accuracy of the EMA weights after the last epoch, (n,); -1 where diverged."""
    score: Floats
    """Held-out accuracy of the EMA weights after the last epoch, (n,); 0 where diverged."""
    ended: Ints
    """Epochs trained, (n,): fewer than ``epochs`` where diverged."""

    @property
    def epochs(self) -> int:
        """Epochs of a complete trial."""
        return int(self.signals["ema"].shape[1])

    @property
    def diverged(self) -> npt.NDArray[np.bool_]:
        """Whether each trial diverged, (n,)."""
        return self.chosen_by < 0


FINALISTS = 5
"""Number of finalists, as in search_spaces/s11.yaml."""


def score_of_winner(unpruned: Iterable[tuple[float, float]]) -> float:
    """Return the final accuracy of the winner of a search on held-out images; 0 if no trial is complete.

    The complete trials that are best by validation are the finalists, and the best of these on the held-out images
    wins. A search instead runs the finalists again from several seeds, because among the best trials the validation
    accuracy of a single run chooses by luck.

    Args:
        unpruned: ``chosen_by`` and ``score`` of each trial that was not stopped.
    """
    complete = [end for end in unpruned if end[0] >= 0]
    finalists = sorted(complete, key=lambda end: -end[0])[:FINALISTS]
    return max((score for _, score in finalists), default=0.0)


LEAST = 8
"""Smallest number of configurations that is informative."""


def read_curves(path: Path, count: int | None = None) -> Curves:
    """Read a recording in the order of the configurations' numbers.

    Args:
        path: File of the recording.
        count: Number of configurations to read, those recorded first; None: all.

    Raises:
        InputError: There is no such file, or it holds fewer configurations than ``count`` or eight, or all of them
            diverged.
    """
    header, *lines = read_lines(path) or [{}]
    needed = max(LEAST, count or 0)
    if len(lines) < needed:
        raise InputError(
            f"{path}: {len(lines)} configurations, fewer than {needed}; benchmarks.pruning.record records them"
        )
    lines = lines[:count]
    if all(line["score"] is None for line in lines):
        raise InputError(f"{path}: all {len(lines)} configurations diverged: nothing to choose from")
    return build_curves(header, sorted(lines, key=lambda line: int(line["number"])))


def build_curves(header: dict[str, Any], lines: list[dict[str, Any]]) -> Curves:
    """Build the arrays from lines as :class:`benchmarks.pruning.recording.Recording` returns them."""
    epochs = int(header["of"]["recipe"]["epochs"])
    ended = np.array([len(line["curve"]["ema"]) for line in lines])
    after = np.arange(1, epochs + 1) >= np.array([line["diverged_at"] or epochs + 1 for line in lines])[:, None]

    def signal(recorded: list[dict[int, float]]) -> Floats:
        values = np.full((len(lines), epochs), np.nan)
        for row, points in enumerate(recorded):
            for epoch, value in points.items():
                values[row, epoch - 1] = value
        values[after] = 0.0
        values[:, np.isnan(values).any(0)] = np.nan
        return values

    names = [name for name in lines[0]["curve"] if name != "train_loss"]
    signals = {name: signal([dict(enumerate(line["curve"][name], start=1)) for line in lines]) for name in names}
    for length in sorted({length for line in lines for length in line["probes"]}, key=Fraction):
        for kind in ("raw", "ema"):
            points = [
                {int(epoch): both[kind] for epoch, both in line["probes"].get(length, {}).items()} for line in lines
            ]
            signals[f"probe_{length}_{kind}"] = signal(points)

    scores = [line["score"] for line in lines]
    return Curves(
        header,
        [line["config"] for line in lines],
        signals,
        {name: _cost(name, [line["seconds"] for line in lines]) for name in signals},
        np.array([-1.0 if score is None else score["validation_ema"] for score in scores]),
        np.array([0.0 if score is None else score["ema"] for score in scores]),
        ended,
    )


def _cost(signal: str, seconds: list[dict[str, float]]) -> float:
    """Return the cost of a signal in epochs.

    An EMA with another horizon replaces the recipe's own and costs nothing. Other signals cost their computation and
    one more validation.
    """
    part = "recompute" if signal == "ema_recomputed" else signal.rpartition("_")[0]
    if part != "recompute" and not part.startswith("probe"):
        return 0.0
    return statistics.median((each[part] + each["validation"]) / each["epoch"] for each in seconds if part in each)
