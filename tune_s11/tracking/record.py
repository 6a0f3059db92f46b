"""Records what each tracker has received of a search in ``tracked.jsonl``, which no other module reads or writes."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tune_s11.storage.files import read_lines
from tune_s11.tracking.trackers import TrackerName, tracker_name


@dataclass(frozen=True)
class Sent:
    """How much of a run has been sent.

    Attributes:
        id: Identifier of the run at the tracker.
        epoch: Last epoch that was sent; 0: none.
        state: State in which the run ended; None: it has not ended.
    """

    id: str
    epoch: int = 0
    state: str | None = None


class SentRecord:
    """A record of what one tracker has received. Lines of others in the same file are kept.

    Args:
        path: Path of the file; it need not exist.
        tracker: Tracker that the record is about.
        destination: Where it sends the runs: another destination has received nothing.
    """

    def __init__(self, path: Path, tracker: TrackerName, destination: str) -> None:
        self._path, self._tracker, self._destination = path, tracker, destination
        self._runs: dict[str, Sent] = {}
        for line in read_lines(path):
            # Lines of earlier versions have no destination.
            if line.get("tracker") == tracker and line.get("to", destination) == destination and "run" in line:
                self._runs[line["run"]] = Sent(line["id"], line["epoch"], line["state"])

    def begin(self) -> None:
        """Record that this tracker is used from now on."""
        if tracker_of(self._path) != self._tracker:
            self._append({})

    def of(self, run: str) -> Sent | None:
        """Return how much of a run has been sent; None: nothing."""
        return self._runs.get(run)

    def update(self, run: str, sent: Sent) -> None:
        """Record how much of a run has been sent."""
        self._runs[run] = sent
        self._append({"run": run, "id": sent.id, "epoch": sent.epoch, "state": sent.state})

    def _append(self, fields: dict[str, str | int | None]) -> None:
        with self._path.open("a+b") as file:
            if file.tell():  # at the end
                file.seek(-1, os.SEEK_END)
                if file.read() != b"\n":  # the last line is truncated
                    file.write(b"\n")
            line = {"tracker": self._tracker, "to": self._destination, **fields}
            file.write(json.dumps(line).encode() + b"\n")


def tracker_of(path: Path) -> TrackerName | None:
    """Return the tracker that a search's last tracked session sent to; None if it was never tracked.

    Args:
        path: Path of the file.
    """
    lines = read_lines(path)
    return tracker_name(lines[-1].get("tracker")) if lines else None
