"""Names the trackers, and defines the interface that each must have."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, get_args

from tune_s11.config import InputError

TrackerName = Literal["wandb", "mlflow"]

_PACKAGES: dict[TrackerName, str] = {"wandb": "wandb", "mlflow": "mlflow-skinny"}  # the full MLflow needs it too

Row = tuple[int, Mapping[str, float]]
"""An epoch and its metrics by tag."""


class TrackedRun(Protocol):
    """A run at a tracker.

    Attributes:
        id: Identifier of the run at the tracker, by which a later session finds it.
        epoch: Last epoch that the tracker is known to have; 0 if that is not known.
    """

    id: str
    epoch: int

    def log(self, rows: Sequence[Row]) -> None:
        """Send epochs, in rising order."""

    def end(self, state: str) -> None:
        """End the run.

        Args:
            state: Final state; see :data:`tune_s11.results.State`.
        """

    def leave(self) -> None:
        """Leave a run that has not ended, for a later session to continue."""


class Tracker(Protocol):
    """A service that receives runs. An error in one of its methods ends the tracking, not the search."""

    @property
    def destination(self) -> str:
        """Where the runs go, without secrets. A run that was opened at one destination is unknown at any other."""

    def check(self) -> str:
        """Check what can be checked before anything is written.

        Returns:
            A line for the user that says where the runs go and how to look at them.

        Raises:
            InputError: The tracker cannot be used with these settings.
        """

    def open(self, name: str, kind: str, params: Mapping[str, Any], id: str | None) -> TrackedRun:
        """Open a run.

        Args:
            name: Name of the run, such as ``t0007``.
            kind: Kind of the run, ``trial`` or ``refit``.
            params: Parameters that it is trained with.
            id: Identifier of the run that an earlier session opened; None: the run is new.
        """


def tracker_name(text: object) -> TrackerName | None:
    """Return the tracker of this name; None if there is none."""
    return next((name for name in get_args(TrackerName) if name == text), None)


def check_installed(name: TrackerName) -> None:
    """Check that a tracker's package is installed.

    The check looks for the distribution, not the module, because a folder ``wandb/`` in the working directory, as W&B
    leaves there, can be imported too.

    Raises:
        InputError: The package is not installed.
    """
    try:
        importlib.metadata.version(_PACKAGES[name])
    except importlib.metadata.PackageNotFoundError:
        raise InputError(f"--track {name}: is not installed; install it with: pip install 'tune-s11[{name}]'") from None
