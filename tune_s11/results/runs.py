"""Single runs, as their ``run.json`` records them: read and written here alone."""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tune_s11.config import InputError, Recipe, validated
from tune_s11.hardware import Hardware
from tune_s11.results.folder import SingleRunFolder
from tune_s11.results.manifest import build_manifest, check_schema
from tune_s11.storage.files import write_whole

if TYPE_CHECKING:
    from tune_s11.data import Dataset


@dataclass(frozen=True)
class Run:
    """What determines a single run, bit for bit on a CPU."""

    recipe: Recipe
    seed: int
    split_seed: int
    hardware: Hardware

    def write(self, folder: SingleRunFolder, dataset: "Dataset") -> None:
        """Makes the folder, with what the run is and under what circumstances it begins."""
        record = asdict(self) | {
            "recipe": self.recipe.model_dump(mode="json"),
            "hardware": self.hardware.model_dump(),
            "manifest": build_manifest(dataset, self.seed),
        }
        folder.path.mkdir(parents=True)
        write_whole(folder.record, json.dumps(record, indent=2))


def read_run(folder: SingleRunFolder, where: str) -> Run:
    """The run that a folder records.

    Args:
        folder: Its folder.
        where: What an error line starts with, such as ``--resume NAME``.

    Raises:
        InputError: There is none, it is damaged, or a later version wrote it.
    """
    try:
        record: dict[str, Any] = json.loads(folder.record.read_text())
        check_schema(record["manifest"], f"{where}: {folder.record}")
        return Run(
            validated(Recipe, record["recipe"], f"{where}: recipe.", strict=True),
            int(record["seed"]),
            int(record["split_seed"]),
            validated(Hardware, record["hardware"], f"{where}: ", strict=True),
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{where}: {folder.record} is missing or damaged") from None
