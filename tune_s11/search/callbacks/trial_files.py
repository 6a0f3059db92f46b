"""Writes the files of each trial into its folder without delay.

Tune's own logger writes into Ray's session folder, from which the search folder is updated only every ten seconds or
more. If the driver was killed, rows of trials that are finished in the study would be lost.
"""

import json
import os
from pathlib import Path
from typing import Any

from ray.tune import Callback

from tune_s11.results.folder import TrialFolder
from tune_s11.storage.files import write_whole


class TrialFiles(Callback):  # type: ignore[misc]
    """A callback that writes each trial's ``params.json``, ``result.json``, ``recovered.txt`` and ``error.txt``.

    They hold its parameters, its reports, the errors after which it was resumed, and the one with which it failed for
    good.
    """

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Create the folder of a trial that has been assigned a worker."""
        _folder(trial)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Write a report. If it is the trial's last, the study records the end only afterwards."""
        _write(_folder(trial).reports, json.dumps(result, default=str) + "\n", "a")

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Write the error of a trial that has failed, perhaps before it started, and will be resumed."""
        tracebacks = Path(trial.error_file)
        _write(_folder(trial).recovered, tracebacks.read_text("utf-8", "replace"), "a")
        tracebacks.unlink()  # otherwise Tune would copy it to the folder, where it means a final failure

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Write the error of a trial that has failed for good."""
        _write(_folder(trial).error, Path(trial.error_file).read_text("utf-8", "replace"), "w")


def _folder(trial: Any) -> TrialFolder:
    """Return the trial's folder; create it with its parameters if it is missing."""
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
