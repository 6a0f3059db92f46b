"""The files of a search and of a single run: each is named here, once."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tune_s11.storage.files import Below
from tune_s11.storage.sync import Layout
from tune_s11.training.metrics import RunFolder

CHECKPOINT_PREFIX = "checkpoint_"
"""Of the names of the folders in which a trial's checkpoints lie."""

_TRIALS, _FINALISTS, _TENSORBOARD, _WANDB, _MLFLOW = "trials", "finalists", "tensorboard", "wandb", "mlflow.db"
_STUDY, _REPORTS, _CHECKPOINT, _TRACKED = "study.log", "result.json", "checkpoint.pt", "tracked.jsonl"


def trial_name(number: int) -> str:
    """The folder name of a trial, of its first attempt."""
    return f"t{number:04d}"


@dataclass(frozen=True)
class TrialFolder:
    """What one attempt at a trial leaves.

    Attributes:
        path: The folder.
    """

    path: Path

    params = Below("params.json")
    """What the search chose."""
    reports = Below(_REPORTS)
    """What its worker reported, a line a report."""
    error = Below("error.txt")
    """Why it failed for good."""
    recovered = Below("recovered.txt")
    """Why its worker died before, each time."""

    def checkpoints(self) -> list[Path]:
        """All checkpoint files."""
        return sorted(self.path.glob(f"{CHECKPOINT_PREFIX}*/{_CHECKPOINT}"))


def checkpoint_folder(epoch: int) -> str:
    """Name of the folder of a checkpoint that a worker writes itself."""
    return f"{CHECKPOINT_PREFIX}{epoch:06d}"


def checkpoint_file(folder: Path) -> Path:
    """The file in the folder of a checkpoint."""
    return folder / _CHECKPOINT


@dataclass(frozen=True)
class RefitFolder(RunFolder):
    """What a run that is tested leaves: a refit of the winner, or a single run with ``--test``."""

    test_curve = Below("test_curve.jsonl")
    """A line an epoch; of the refits the first one has it."""
    test_logits = Below("test_logits.npz")
    """Of the test images, at the end."""
    scores = Below("scores.json")
    """Its test accuracy."""


@dataclass(frozen=True)
class ReportedFolder:
    """A folder that a report is written into.

    Attributes:
        path: The folder.
    """

    path: Path

    report = Below("report")
    """Pages and pictures."""
    report_page = Below("report/index.html")
    """The report as a page, which contains its pictures."""
    report_numbers = Below("report/report.json")
    """The numbers that the page shows."""

    def report_picture(self, name: str) -> Path:
        """A picture of the page as a file."""
        return self.report / f"{name}.png"

    def report_drawing(self, name: str) -> Path:
        """The same as SVG; of images there is none."""
        return self.report / f"{name}.svg"

    def report_pictures(self) -> list[Path]:
        """All pictures that have been written."""
        return sorted([*self.report.glob("*.png"), *self.report.glob("*.svg")])


@dataclass(frozen=True)
class SingleRunFolder(RefitFolder, ReportedFolder):
    """What a single run leaves; what :class:`RefitFolder` has of the test images only where the run is tested."""

    record = Below("run.json")
    """What it consists of, and under what circumstances it was trained."""


@dataclass(frozen=True)
class SearchFolder(ReportedFolder):
    """What a search leaves."""

    space = Below("search.yaml")
    """The resolved configuration, a space file."""
    manifest = Below("manifest.json")
    """Versions, commit, hardware, data, command line."""
    range_test = Below("lr_range.json")
    """The LR range test's ramps, suggestions, cycles and bounds."""
    range_test_cycles = Below("lr_range.jsonl")
    """The cycles of a range test in progress."""
    study = Below(_STUDY)
    """The Optuna study, a journal."""
    trials = Below(_TRIALS)
    """Ray's experiment folder, a folder an attempt at a trial."""
    unknown = Below("unknown")
    """Folders of trials that the study does not know."""
    audit = Below("audit.json")
    """Which trials ran on against a rung's verdict."""
    tensorboard = Below(_TENSORBOARD)
    """Event files, a run a trial."""
    wandb = Below(_WANDB)
    """Runs as W&B's library writes them; the folder's name is W&B's."""
    mlflow = Below(_MLFLOW)
    """Runs in an SQLite file that MLflow shows."""
    tracked = Below(_TRACKED)
    """What a tracker has been sent, a line a call."""
    verdict = Below("finalists.json")
    """The finalists' scores, and who won."""
    finalists = Below(_FINALISTS)
    """The finalists' runs."""
    best = Below("best")
    """The winner and its refits."""
    winner = Below("best/winner.json")
    """What is refit: the trial, and the recipe."""
    metrics = Below("best/metrics.json")
    """Test accuracy over the refits."""
    export = Below("best/export")
    """The winner as files for other programs; it goes when another trial wins."""
    error = Below("error.txt")
    """Why the search failed."""

    def attempts(self, number: int) -> list[TrialFolder]:
        """The folders of a trial, in the order of its attempts.

        Asked as each trial ends, so it looks at no other trial's folders.
        """
        name = trial_name(number)
        found = (path for pattern in (name, f"{name}.*") for path in self.trials.glob(pattern) if path.is_dir())
        return [TrialFolder(path) for path in sorted(found, key=_attempt)]

    def all_attempts(self) -> dict[int, list[TrialFolder]]:
        """The folders of all trials by number, in its order; of each one an attempt, in their order."""
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
        """Of a finalist's run from a seed."""
        return RunFolder(self.finalists / trial / f"seed-{seed}")

    def refit(self, seed: int) -> RefitFolder:
        """Of the winner's refit from a seed."""
        return RefitFolder(self.best / f"seed-{seed}")

    def refits(self) -> Iterator[RefitFolder]:
        """All refits that have begun."""
        return (RefitFolder(path) for path in sorted(self.best.glob("seed-*")))


def attempt_name(number: int, before: int) -> str:
    """The folder name of an attempt at a trial after so many others."""
    return trial_name(number) + (f".{before}" if before else "")


def _attempt(path: Path) -> int:
    again = path.name.partition(".")[2]
    return int(again) if again.isdecimal() else 0


def _is_tunes(name: str) -> bool:
    """Whether Tune alone reads a file: pickles and states of an experiment that is not restored by them."""
    return re.fullmatch(rf"{_TRIALS}/[^/]*", name) is not None


def _is_written_by_workers(name: str) -> bool:
    return name.startswith(f"{_TRIALS}/") and f"/{CHECKPOINT_PREFIX}" in name


def _is_read(name: str) -> bool:
    """Whether a report may want a file: of checkpoints only the refits'."""
    part, _, rest = name.partition("/")
    if part in {_TRIALS, _FINALISTS} and "checkpoint" in rest:
        return False
    return part not in {_TENSORBOARD, _WANDB, _MLFLOW, _TRACKED, _STUDY} and not _is_tunes(name)


LAYOUT = Layout(
    growing=frozenset({_STUDY, _REPORTS, _TRACKED}),
    last=frozenset({_STUDY, _CHECKPOINT, _TRACKED}),
    not_copied=_is_tunes,
    by_workers=_is_written_by_workers,
    read=_is_read,
)
"""How the folders are copied to a storage: an interruption between two files leaves what a resume reads correctly,
for the study is read before the trials' rows and written after them, and a run's checkpoint likewise."""
