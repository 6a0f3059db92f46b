"""What is kept of each trial, written into its folder at once.

Tune's own logger writes into Ray's session folder, from where the search folder is brought up to date every ten
seconds or more: a driver that is killed would lose the rows of trials that the study calls ended.
"""

import json
import os
from pathlib import Path
from typing import Any

from ray.tune import Callback

from tune_s11.results.folder import TrialFolder
from tune_s11.storage.files import write_whole


class TrialFiles(Callback):  # type: ignore[misc]
    """A trial's ``params.json``, its reports in ``result.json``, ``error.txt`` where it failed for good.

    What made it fail before that, and resume, is in ``recovered.txt``.
    """

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has its worker."""
        _folder(trial)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A trial has reported. Where it ends with this, the study hears of it only afterwards."""
        _write(_folder(trial).reports, json.dumps(result, default=str) + "\n", "a")

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has failed, perhaps before it started, and will go on."""
        tracebacks = Path(trial.error_file)
        _write(_folder(trial).recovered, tracebacks.read_text("utf-8", "replace"), "a")
        tracebacks.unlink()  # it would be brought into the folder, and there mean an end

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial has failed for good."""
        _write(_folder(trial).error, Path(trial.error_file).read_text("utf-8", "replace"), "w")


def _folder(trial: Any) -> TrialFolder:
    """The trial's folder, made with its parameters where it is missing."""
    folder = TrialFolder(Path(trial.storage.trial_fs_path))
    if not folder.params.exists():
        folder.path.mkdir(parents=True, exist_ok=True)
        write_whole(folder.params, json.dumps(trial.config, indent=2))
    return folder


def _write(path: Path, text: str, mode: str) -> None:
    with path.open(mode, encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
