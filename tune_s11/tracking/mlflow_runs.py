"""Sends runs to an MLflow server, or writes them to an SQLite file that MLflow shows."""

import logging
import os
import shlex
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.version import VERSION

from tune_s11 import __version__
from tune_s11.config import InputError
from tune_s11.results.folder import SearchFolder
from tune_s11.tracking.trackers import Row

_EVERY_ROW = "learning_rate"
"""Tag that every epoch has."""

_PORTS = {"http": 80, "https": 443}


class MlflowRun:
    """A run; see :class:`tune_s11.tracking.trackers.TrackedRun`."""

    def __init__(self, client: MlflowClient, id: str, epoch: int) -> None:
        self._client, self.id, self.epoch = client, id, epoch

    def log(self, rows: Sequence[Row]) -> None:
        """Send epochs in one request; the step is the epoch."""
        now = int(time.time() * 1000)
        metrics = [Metric(tag, float(value), now, epoch) for epoch, row in rows for tag, value in row.items()]
        self._client.log_batch(self.id, metrics=metrics)

    def end(self, state: str) -> None:
        """End the run. MLflow itself distinguishes only finished and failed runs, so the state is also a tag."""
        self._client.set_tag(self.id, "state", state)
        self._client.set_terminated(self.id, "FAILED" if state == "failed" else "FINISHED")

    def leave(self) -> None:
        """Leave the run as killed, until it is opened again."""
        self._client.set_terminated(self.id, "KILLED")


class MlflowTracker:
    """A tracker that makes one run for each trial and refit, in an experiment named after the search.

    MLFLOW_EXPERIMENT_NAME overrides that name. If MLFLOW_TRACKING_URI is not set, the runs are written to an SQLite
    file in the search's folder.

    Args:
        folder: Folder of the search.
    """

    def __init__(self, folder: SearchFolder) -> None:
        self._folder = folder
        self._uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder.mlflow}"
        self._is_own = self._uri == f"sqlite:///{folder.mlflow}"
        self._experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or folder.path.name
        self._opened: tuple[MlflowClient, str] | None = None
        logging.getLogger("mlflow").setLevel(logging.ERROR)

    @property
    def destination(self) -> str:
        """See :class:`tune_s11.tracking.trackers.Tracker`; the file in the search's folder may be moved with it."""
        return self._folder.mlflow.name if self._is_own else _public(self._uri)

    def check(self) -> str:
        """See :meth:`tune_s11.tracking.trackers.Tracker.check`; if a server is named, it must be listening."""
        parts = urlsplit(self._uri)
        if parts.scheme in _PORTS:
            # MLflow itself would retry for minutes.
            try:
                socket.create_connection((parts.hostname or "", parts.port or _PORTS[parts.scheme]), timeout=10).close()
            except (OSError, ValueError) as error:
                raise InputError(f"--track mlflow: MLFLOW_TRACKING_URI {_public(self._uri)}: {error}") from None
            return f"mlflow: experiment {self._experiment}, at {_public(self._uri)}"
        if self._is_own and "?" in self._uri:  # it would begin the options of an SQLite address
            raise InputError(f"--track mlflow: {self._folder.path}: the path must not contain a question mark")
        if parts.scheme in {"", "file"}:
            raise InputError(
                f"--track mlflow: MLFLOW_TRACKING_URI must be sqlite:///FILE, a database or a server (got {self._uri})"
            )
        show = f"uvx mlflow@{VERSION} ui --backend-store-uri {shlex.quote(_public(self._uri))}"
        return f"mlflow: experiment {self._experiment}, view it with: {show}"

    def open(self, name: str, kind: str, params: Mapping[str, Any], id: str | None) -> MlflowRun:
        """See :meth:`tune_s11.tracking.trackers.Tracker.open`."""
        client, experiment = self._opened = self._opened or self._begin()
        if id is not None:
            client.update_run(id, status="RUNNING")
            history = client.get_metric_history(id, _EVERY_ROW)
            return MlflowRun(client, id, max((metric.step for metric in history), default=0))
        tags = {"search": self._folder.path.name, "kind": kind, "tune_s11": __version__}
        run = MlflowRun(client, client.create_run(experiment, run_name=name, tags=tags).info.run_id, 0)
        client.log_batch(run.id, params=[Param(key, str(value)) for key, value in params.items()])
        return run

    def _begin(self) -> tuple[MlflowClient, str]:
        client = MlflowClient(self._uri)
        there = client.get_experiment_by_name(self._experiment)
        if there is not None:
            return client, there.experiment_id
        # Otherwise MLflow uses the working directory.
        files = self._folder.mlflow.with_suffix("").as_uri() if self._is_own else None
        return client, client.create_experiment(self._experiment, artifact_location=files)


def _public(uri: str) -> str:
    """Return an address without the password that it may contain."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.password else uri
