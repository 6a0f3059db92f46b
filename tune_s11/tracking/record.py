"""What has been sent of a search, and to whom: ``tracked.jsonl``, written and read here alone."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tune_s11.storage.files import read_lines
from tune_s11.tracking.trackers import TrackerName, tracker_name


@dataclass(frozen=True)
class Sent:
    """How far a run has been sent.

    Attributes:
        id: The tracker's name for it.
        epoch: The last one sent; 0: none.
        state: With which it ended; None: it has not.
    """

    id: str
    epoch: int = 0
    state: str | None = None


class SentRecord:
    """What one tracker has got. Another one's lines in the same file stay.

    Args:
        path: Of the file; need not be there.
        tracker: Which.
    """

    def __init__(self, path: Path, tracker: TrackerName) -> None:
        self._path, self._tracker = path, tracker
        self._runs: dict[str, Sent] = {}
        for line in read_lines(path):
            if line.get("tracker") == tracker and "run" in line:
                self._runs[line["run"]] = Sent(line["id"], line["epoch"], line["state"])

    def begin(self) -> None:
        """Records that this tracker is followed from here on."""
        if tracker_of(self._path) != self._tracker:
            self._append({})

    def of(self, run: str) -> Sent | None:
        """How far a run has been sent; None: nothing of it."""
        return self._runs.get(run)

    def update(self, run: str, sent: Sent) -> None:
        """Records how far a run has been sent."""
        self._runs[run] = sent
        self._append({"run": run, "id": sent.id, "epoch": sent.epoch, "state": sent.state})

    def _append(self, fields: dict[str, str | int | None]) -> None:
        with self._path.open("a+b") as file:
            if file.tell():  # at the end
                file.seek(-1, os.SEEK_END)
                if file.read() != b"\n":  # a line was interrupted
                    file.write(b"\n")
            file.write(json.dumps({"tracker": self._tracker, **fields}).encode() + b"\n")


def tracker_of(path: Path) -> TrackerName | None:
    """The tracker that a search's last tracked session sent to; None where it was never tracked.

    Args:
        path: Of the file.
    """
    lines = read_lines(path)
    return tracker_name(lines[-1].get("tracker")) if lines else None
