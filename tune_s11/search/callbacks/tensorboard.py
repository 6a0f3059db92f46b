"""Writes TensorBoard event files, one run per trial, under names that distinguish the trials.

tensorboardX's ``SummaryWriter`` would start a thread and an interprocess queue for each trial, and pass each value
through it separately. With 100 trials at a time, that was a fifth of the driver's work.
"""

import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ray.tune import Callback
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter

from tune_s11.results import trial_name
from tune_s11.tracking.tags import tagged

_SHORT = {
    "max_lr": "lr",
    "min_lr_fraction": "min",
    "momentum": "mom",
    "weight_decay": "wd",
    "label_smoothing": "ls",
    "logit_scale": "scale",
}


def run_name(number: int, params: dict[str, Any]) -> str:
    """Return a trial's name in TensorBoard, such as ``t0007 lr=0.41 wd=5e-4``."""
    chosen = (f"{_SHORT.get(name, name)}={_short_number(value)}" for name, value in params.items())
    return " ".join([trial_name(number), *chosen])


def _short_number(value: float) -> str:
    if not 0 < abs(value) < 0.001:
        return str(value) if isinstance(value, int) else f"{value:.2g}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


class TensorBoardFiles(Callback):  # type: ignore[misc]
    """A callback that writes each trial's epochs below ``folder`` as they are reported; the step is the epoch.

    Ray's own writer names runs after their folders and counts reports as steps.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, RecordWriter] = {}

    def close(self) -> None:
        """Close all files, those of unfinished trials too, even if the disk is full."""
        for writer in self._writers.values():
            with suppress(OSError):
                writer.close()

    def __getstate__(self) -> dict[str, Any]:
        """Return an empty state: Tune pickles its callbacks only for its own restore, which is not used here."""
        return {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Write the epochs of a report."""
        writer = self._writers.get(trial.trial_id)
        if writer is None:
            folder = self._folder / run_name(trial.config["number"], trial.config["params"])
            folder.mkdir(parents=True, exist_ok=True)
            # TensorBoard looks for ``tfevents`` in the names of files, and for their version in their first event.
            writer = RecordWriter(str(folder / f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}"))
            writer.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
            self._writers[trial.trial_id] = writer
        for row in result["epochs"]:
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in tagged(row).items()]
            event = Event(wall_time=time.time(), step=row["epoch"], summary=Summary(value=values))
            writer.write(event.SerializeToString())
        writer.flush()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Close the files of a trial that has ended on its own or was pruned."""
        self._close(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Close the files of a trial that has failed for good."""
        self._close(trial)

    def _close(self, trial: Any) -> None:
        writer = self._writers.pop(trial.trial_id, None)
        if writer is not None:
            writer.close()
