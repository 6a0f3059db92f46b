"""The files of a search and of a single run: each is named here, once."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tune_s11.storage.copies import Layout
from tune_s11.training.metrics import RunFolder

CHECKPOINT_PREFIX = "checkpoint_"
"""Of the names of the folders in which a trial's checkpoints lie."""

_TRIALS, _FINALISTS, _TENSORBOARD = "trials", "finalists", "tensorboard"
_STUDY, _REPORTS, _CHECKPOINT = "study.log", "result.json", "checkpoint.pt"


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

    @property
    def params(self) -> Path:
        """What the search chose."""
        return self.path / "params.json"

    @property
    def reports(self) -> Path:
        """What its worker reported, a line a report."""
        return self.path / _REPORTS

    @property
    def error(self) -> Path:
        """Why it failed for good."""
        return self.path / "error.txt"

    @property
    def recovered(self) -> Path:
        """Why its worker died before, each time."""
        return self.path / "recovered.txt"

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
    """What one refit of the winner leaves."""

    @property
    def test_curve(self) -> Path:
        """A line an epoch, of the first refit."""
        return self.path / "test_curve.jsonl"

    @property
    def test_logits(self) -> Path:
        """Of the test images, at the end."""
        return self.path / "test_logits.npz"

    @property
    def scores(self) -> Path:
        """Its test accuracy."""
        return self.path / "scores.json"


@dataclass(frozen=True)
class SingleRunFolder(RunFolder):
    """What a single run leaves."""

    @property
    def record(self) -> Path:
        """What it consists of, and under what circumstances it was trained."""
        return self.path / "run.json"


@dataclass(frozen=True)
class SearchFolder:
    """What a search leaves.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def space(self) -> Path:
        """The resolved configuration, a space file."""
        return self.path / "search.yaml"

    @property
    def manifest(self) -> Path:
        """Versions, commit, hardware, data, command line."""
        return self.path / "manifest.json"

    @property
    def range_test(self) -> Path:
        """The LR range test's curve, suggestions and bounds."""
        return self.path / "lr_range.json"

    @property
    def study(self) -> Path:
        """The Optuna study, a journal."""
        return self.path / _STUDY

    @property
    def trials(self) -> Path:
        """Ray's experiment folder, a folder an attempt at a trial."""
        return self.path / _TRIALS

    @property
    def unknown(self) -> Path:
        """Folders of trials that the study does not know."""
        return self.path / "unknown"

    @property
    def audit(self) -> Path:
        """Which trials ran on against a rung's verdict."""
        return self.path / "audit.json"

    @property
    def tensorboard(self) -> Path:
        """Event files, a run a trial."""
        return self.path / _TENSORBOARD

    @property
    def verdict(self) -> Path:
        """The finalists' scores, and who won."""
        return self.path / "finalists.json"

    @property
    def finalists(self) -> Path:
        """The finalists' runs."""
        return self.path / _FINALISTS

    @property
    def best(self) -> Path:
        """The winner and its refits."""
        return self.path / "best"

    @property
    def winner(self) -> Path:
        """What is refit: the trial, and the recipe."""
        return self.best / "winner.json"

    @property
    def metrics(self) -> Path:
        """Test accuracy over the refits."""
        return self.best / "metrics.json"

    @property
    def report(self) -> Path:
        """Pages and pictures."""
        return self.path / "report"

    @property
    def report_page(self) -> Path:
        """The report as a page, which contains its pictures."""
        return self.report / "index.html"

    @property
    def report_numbers(self) -> Path:
        """The numbers that the page shows."""
        return self.report / "report.json"

    def report_picture(self, name: str) -> Path:
        """A picture of the page as a file."""
        return self.report / f"{name}.png"

    def report_pictures(self) -> list[Path]:
        """All pictures that have been written."""
        return sorted(self.report.glob("*.png"))

    @property
    def error(self) -> Path:
        """Why the search failed."""
        return self.path / "error.txt"

    def attempts(self, number: int) -> list[TrialFolder]:
        """The folders of a trial, in the order of its attempts."""
        return self.all_attempts().get(number, [])

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
    return part not in {_TENSORBOARD, _STUDY} and not _is_tunes(name)


LAYOUT = Layout(
    growing=frozenset({_STUDY, _REPORTS}),
    last=frozenset({_STUDY, _CHECKPOINT}),
    not_copied=_is_tunes,
    by_workers=_is_written_by_workers,
    read=_is_read,
)
"""How the folders are copied to a storage: an interruption between two files leaves what a resume reads correctly,
for the study is read before the trials' rows and written after them, and a run's checkpoint likewise."""
