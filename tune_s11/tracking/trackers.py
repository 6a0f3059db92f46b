"""Which trackers there are, and what each has to do."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, get_args

from tune_s11.config import InputError

TrackerName = Literal["wandb", "mlflow"]

_PACKAGES: dict[TrackerName, str] = {"wandb": "wandb", "mlflow": "mlflow-skinny"}  # which all of MLflow needs, too

Row = tuple[int, Mapping[str, float]]
"""An epoch and its figures by tag."""


class TrackedRun(Protocol):
    """One run at a tracker.

    Attributes:
        id: The tracker's name for it, by which a later session finds it again.
        epoch: The last epoch that the tracker is known to have; 0 where that is not known.
    """

    id: str
    epoch: int

    def log(self, rows: Sequence[Row]) -> None:
        """Sends epochs, rising."""

    def end(self, state: str) -> None:
        """Ends the run.

        Args:
            state: As :data:`tune_s11.results.State`.
        """

    def leave(self) -> None:
        """Leaves a run that has not ended, for a later session to continue."""


class Tracker(Protocol):
    """Where runs go. Whatever its methods raise ends the tracking, not the search."""

    def check(self) -> str:
        """Checks what can be checked before anything is written.

        Returns:
            A line for the user: where the runs go and how to look at them.

        Raises:
            InputError: It cannot be used like this.
        """

    def open(self, name: str, kind: str, params: Mapping[str, Any], id: str | None) -> TrackedRun:
        """Opens a run.

        Args:
            name: Such as ``t0007``.
            kind: ``trial`` or ``refit``.
            params: What it is trained with.
            id: Of the run that an earlier session opened; None: it is new.
        """


def tracker_name(text: object) -> TrackerName | None:
    """A tracker by its name; None where there is none of that name."""
    return next((name for name in get_args(TrackerName) if name == text), None)


def check_installed(name: TrackerName) -> None:
    """Make sure that a tracker's package is there.

    The distribution is asked for, not the module: a folder ``wandb/`` in the working directory, as W&B leaves there,
    can be imported too.

    Raises:
        InputError: It is not.
    """
    try:
        importlib.metadata.version(_PACKAGES[name])
    except importlib.metadata.PackageNotFoundError:
        raise InputError(f"--track {name}: is not installed; it comes with: pip install 'tune-s11[{name}]'") from None
