"""Reads and writes ``run.json``, the record of a single run; no other module does."""

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
    """Options of a single run besides its recipe. Runs of earlier versions record none."""

    test: bool = False
    """Whether the run trains on all training images and is tested after each epoch; otherwise it is validated."""
    target_line: Share | None = None
    """Accuracy at which the run's curves have a line; only for display."""


@dataclass(frozen=True)
class Run:
    """The definition of a single run; it determines the run, bit for bit on a CPU."""

    recipe: Recipe
    seed: int
    split_seed: int
    hardware: Hardware
    options: RunOptions = field(default_factory=RunOptions)

    def write(self, folder: SingleRunFolder, dataset: "Dataset") -> None:
        """Create the folder, and record the run's definition and provenance.

        Raises:
            InputError: Another run has created the folder in the meantime.
        """
        record = asdict(self) | {
            "recipe": self.recipe.model_dump(mode="json"),
            "hardware": self.hardware.model_dump(),
            "options": self.options.model_dump(),
            "manifest": build_manifest(dataset, self.seed),
        }
        try:
            folder.path.mkdir(parents=True)
        except FileExistsError:
            reason = f"another run has just started in {folder.path}; expected a new name"
            raise InputError(f"--name {folder.path.name}: {reason}") from None
        write_whole(folder.record, json.dumps(record, indent=2))


@dataclass(frozen=True)
class RunResult:
    """A single run as it stands: finished, interrupted or still running.

    Attributes:
        path: Path of its folder.
        run: Definition of the run.
        manifest: Provenance of the run; see :mod:`tune_s11.results.manifest`.
        rows: Metrics, one row per epoch, in rising order.
    """

    path: Path
    run: Run
    manifest: dict[str, Any]
    rows: list[EpochMetrics]

    @property
    def folder(self) -> SingleRunFolder:
        """Files of the run."""
        return SingleRunFolder(self.path)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to train, or to test."""
        if self.run.options.test and not self.folder.scores.exists():
            return False
        return bool(self.rows) and (self.rows[-1].epoch >= self.run.recipe.epochs or self.rows[-1].diverged)


def load_run(path: Path, where: str) -> RunResult:
    """Read a run as it stands.

    Args:
        path: Path of its folder.
        where: Start of an error line, such as ``--resume NAME``.

    Raises:
        InputError: The run's record is missing or damaged, or a later version wrote it.
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
