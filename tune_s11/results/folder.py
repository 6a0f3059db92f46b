"""Names the files of a search and of a single run; no other module does."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tune_s11.storage.files import Below
from tune_s11.storage.sync import Layout
from tune_s11.training.metrics import RunFolder

ExportFormat = Literal["safetensors", "torch", "onnx"]
"""Format of a file in :attr:`SearchFolder.export`."""

CHECKPOINT_PREFIX = "checkpoint_"
"""Prefix of the names of the folders that hold a trial's checkpoints."""

_TRIALS, _FINALISTS, _LENGTHS = "trials", "finalists", "lengths"
_TENSORBOARD, _WANDB, _MLFLOW = "tensorboard", "wandb", "mlflow.db"
_STUDY, _REPORTS, _CHECKPOINT, _TRACKED = "study.log", "result.json", "checkpoint.pt", "tracked.jsonl"


def trial_name(number: int) -> str:
    """Return the folder name of the first attempt at a trial."""
    return f"t{number:04d}"


@dataclass(frozen=True)
class TrialFolder:
    """The folder of one attempt at a trial.

    Attributes:
        path: Path of the folder.
    """

    path: Path

    params = Below("params.json")
    """Parameters that the search chose."""
    reports = Below(_REPORTS)
    """Reports of the attempt's worker, one per line."""
    error = Below("error.txt")
    """Reason why the attempt failed for good."""
    recovered = Below("recovered.txt")
    """Reason of each earlier death of the attempt's worker."""

    def checkpoints(self) -> list[Path]:
        """Return all checkpoint files."""
        return sorted(self.path.glob(f"{CHECKPOINT_PREFIX}*/{_CHECKPOINT}"))


def checkpoint_folder(epoch: int) -> str:
    """Return the name of the folder of a checkpoint that a worker writes itself."""
    return f"{CHECKPOINT_PREFIX}{epoch:06d}"


def checkpoint_file(folder: Path) -> Path:
    """Return the file in the folder of a checkpoint."""
    return folder / _CHECKPOINT


@dataclass(frozen=True)
class RefitFolder(RunFolder):
    """The folder of a run that is tested: a refit of the winner, or a single run with ``--test``."""

    test_curve = Below("test_curve.jsonl")
    """Test metrics, one line per epoch; among the refits, only the first one has them."""
    test_logits = Below("test_logits.npz")
    """Logits of the test images at the end of the training."""
    scores = Below("scores.json")
    """Test accuracy of the run."""


@dataclass(frozen=True)
class ReportedFolder:
    """A folder that a report is written into.

    Attributes:
        path: Path of the folder.
    """

    path: Path

    report = Below("report")
    """Folder of the report's pages and pictures."""
    report_page = Below("report/index.html")
    """Page of the report, which contains its pictures."""
    report_numbers = Below("report/report.json")
    """Numbers that the page shows."""

    def report_picture(self, name: str) -> Path:
        """Return the file of a picture of the page."""
        return self.report / f"{name}.png"

    def report_drawing(self, name: str) -> Path:
        """Return the SVG file of a picture of the page; pictures that show images have none."""
        return self.report / f"{name}.svg"

    def report_pictures(self) -> list[Path]:
        """Return all pictures that have been written."""
        return sorted([*self.report.glob("*.png"), *self.report.glob("*.svg")])


@dataclass(frozen=True)
class SingleRunFolder(RefitFolder, ReportedFolder):
    """The folder of a single run; it has the test files of :class:`RefitFolder` only if the run is tested."""

    record = Below("run.json")
    """Definition and provenance of the run."""


@dataclass(frozen=True)
class SearchFolder(ReportedFolder):
    """The folder of a search."""

    space = Below("search.yaml")
    """Resolved configuration, as a space file."""
    manifest = Below("manifest.json")
    """Versions, commit, hardware, data, command line."""
    range_test = Below("lr_range.json")
    """Ramps, suggestions, cycles and bounds of the LR range test."""
    range_test_cycles = Below("lr_range.jsonl")
    """Cycles of a range test in progress."""
    study = Below(_STUDY)
    """Optuna study, as a journal."""
    trials = Below(_TRIALS)
    """Ray's experiment folder, with one folder for each attempt at a trial."""
    unknown = Below("unknown")
    """Folders of trials that the study does not know."""
    audit = Below("audit.json")
    """Trials that continued although a rung would have stopped them."""
    tensorboard = Below(_TENSORBOARD)
    """TensorBoard event files, one run per trial."""
    wandb = Below(_WANDB)
    """Runs as W&B's library writes them; W&B chose the folder's name."""
    mlflow = Below(_MLFLOW)
    """Runs in an SQLite file that MLflow shows."""
    tracked = Below(_TRACKED)
    """Record of what trackers have received, one update per line."""
    verdict = Below("finalists.json")
    """Scores of the finalists, and the winner."""
    finalists = Below(_FINALISTS)
    """Runs of the finalists."""
    lengths = Below("lengths.json")
    """Scores of the winner in fewer epochs, and the fewest that reach the target."""
    length_runs = Below(_LENGTHS)
    """Runs of the winner in fewer epochs."""
    best = Below("best")
    """Winner and its refits."""
    winner = Below("best/winner.json")
    """Trial and recipe that are refit."""
    metrics = Below("best/metrics.json")
    """Test accuracy over the refits."""
    export = Below("best/export")
    """Exports of the winner; deleted when other refits replace those that they come from."""
    error = Below("error.txt")
    """Why the search, or parts of it, failed most recently."""

    def attempts(self, number: int) -> list[TrialFolder]:
        """Return the folders of a trial, in the order of its attempts.

        This is called whenever a trial ends, so it looks at no other trial's folders.
        """
        name = trial_name(number)
        found = (path for pattern in (name, f"{name}.*") for path in self.trials.glob(pattern) if path.is_dir())
        return [TrialFolder(path) for path in sorted(found, key=_attempt)]

    def all_attempts(self) -> dict[int, list[TrialFolder]]:
        """Return the folders of all trials by number, in rising order, each trial's in the order of its attempts."""
        attempts: dict[int, list[Path]] = {}
        for path in self.trials.glob("t[0-9]*"):
            number = path.name[1:].partition(".")[0]
            if path.is_dir() and number.isdecimal():
                attempts.setdefault(int(number), []).append(path)
        return {
            number: [TrialFolder(path) for path in sorted(attempts[number], key=_attempt)]
            for number in sorted(attempts)
        }

    def finalist(self, trial: str, seed: int) -> RunFolder:
        """Return the folder of a finalist's run from a seed."""
        return RunFolder(self.finalists / trial / f"seed-{seed}")

    def length_run(self, trial: str, epochs: int, seed: int) -> RunFolder:
        """Return the folder of a run of the winner in fewer epochs."""
        return RunFolder(self.length_runs / trial / f"{epochs}-epochs" / f"seed-{seed}")

    def refit(self, seed: int) -> RefitFolder:
        """Return the folder of the winner's refit from a seed."""
        return RefitFolder(self.best / f"seed-{seed}")

    def repeated(self) -> Iterator[RunFolder]:
        """Return the folders of all runs of finalists, and of the winner in fewer epochs, that have started."""
        parts = (self.finalists, self.length_runs)
        return (RunFolder(path) for part in parts for path in sorted(part.rglob("seed-*")) if path.is_dir())

    def refits(self) -> Iterator[RefitFolder]:
        """Return the folders of all refits that have started."""
        return (RefitFolder(path) for path in sorted(self.best.glob("seed-*")))


def attempt_name(number: int, before: int) -> str:
    """Return the folder name of an attempt at a trial after ``before`` others."""
    return trial_name(number) + (f".{before}" if before else "")


def _attempt(path: Path) -> int:
    again = path.name.partition(".")[2]
    return int(again) if again.isdecimal() else 0


def _is_tunes(name: str) -> bool:
    """Return whether only Tune uses a file: its pickles and experiment states, from which nothing is restored here."""
    return re.fullmatch(rf"{_TRIALS}/[^/]*", name) is not None


def _is_written_by_workers(name: str) -> bool:
    return name.startswith(f"{_TRIALS}/") and f"/{CHECKPOINT_PREFIX}" in name


def _is_read(name: str) -> bool:
    """Return whether a report may need a file; among checkpoints, it needs only those of refits."""
    part, _, rest = name.partition("/")
    if part in {_TRIALS, _FINALISTS, _LENGTHS} and "checkpoint" in rest:
        return False
    return part not in {_TENSORBOARD, _WANDB, _MLFLOW, _TRACKED, _STUDY} and not _is_tunes(name)


LAYOUT = Layout(
    growing=frozenset({_STUDY, _REPORTS, _TRACKED}),
    last=frozenset({_STUDY, _CHECKPOINT, _TRACKED}),
    not_copied=_is_tunes,
    by_workers=_is_written_by_workers,
    read=_is_read,
)
"""Layout by which the folders are copied to a storage; for the order, see :mod:`tune_s11.storage.sync`."""
