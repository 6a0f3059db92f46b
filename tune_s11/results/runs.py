"""Single runs, as their ``run.json`` records them: read and written here alone."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tune_s11.config import Frozen, InputError, Recipe, Share, validated
from tune_s11.hardware import Hardware
from tune_s11.results.folder import SingleRunFolder
from tune_s11.results.manifest import build_manifest, check_schema
from tune_s11.storage.files import write_whole
from tune_s11.training.metrics import EpochMetrics

if TYPE_CHECKING:
    from tune_s11.data import Dataset


class RunOptions(Frozen):
    """What was asked of a single run beside its recipe. Runs of earlier versions record none of it."""

    test: bool = False
    """Whether it trains on all training images and is tested after each epoch; otherwise it is validated."""
    target_line: Share | None = None
    """Accuracy at which its curves have a line; for show alone."""


@dataclass(frozen=True)
class Run:
    """What determines a single run, bit for bit on a CPU."""

    recipe: Recipe
    seed: int
    split_seed: int
    hardware: Hardware
    options: RunOptions = field(default_factory=RunOptions)

    def write(self, folder: SingleRunFolder, dataset: "Dataset") -> None:
        """Makes the folder, with what the run is and under what circumstances it begins."""
        record = asdict(self) | {
            "recipe": self.recipe.model_dump(mode="json"),
            "hardware": self.hardware.model_dump(),
            "options": self.options.model_dump(),
            "manifest": build_manifest(dataset, self.seed),
        }
        folder.path.mkdir(parents=True)
        write_whole(folder.record, json.dumps(record, indent=2))


@dataclass(frozen=True)
class RunResult:
    """One single run as it stands: finished, interrupted or still running.

    Attributes:
        path: Its folder.
        run: What determines it.
        manifest: Under what circumstances it was started.
        rows: One an epoch, rising.
    """

    path: Path
    run: Run
    manifest: dict[str, Any]
    rows: list[EpochMetrics]

    @property
    def folder(self) -> SingleRunFolder:
        """Its files."""
        return SingleRunFolder(self.path)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train, or to test."""
        if self.run.options.test and not self.folder.scores.exists():
            return False
        return bool(self.rows) and (self.rows[-1].epoch >= self.run.recipe.epochs or self.rows[-1].diverged)


def load_run(path: Path, where: str) -> RunResult:
    """Reads a run as it stands.

    Args:
        path: Its folder.
        where: What an error line starts with, such as ``--resume NAME``.

    Raises:
        InputError: There is none, its record is damaged, or a later version wrote it.
    """
    folder = SingleRunFolder(path)
    try:
        record: dict[str, Any] = json.loads(folder.record.read_text("utf-8"))
        check_schema(record["manifest"], f"{where}: {folder.record}")
        run = Run(
            validated(Recipe, record["recipe"], f"{where}: recipe.", strict=True),
            int(record["seed"]),
            int(record["split_seed"]),
            validated(Hardware, record["hardware"], f"{where}: ", strict=True),
            validated(RunOptions, record.get("options", {}), f"{where}: options.", strict=True),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{where}: {folder.record} is missing or damaged") from None
    return RunResult(path, run, record["manifest"], folder.epochs())
