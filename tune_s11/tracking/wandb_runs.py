"""Runs at Weights & Biases, or in files that `wandb sync` uploads later."""

import os
import shlex
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb

from tune_s11.config import InputError
from tune_s11.results.folder import SearchFolder
from tune_s11.tracking.trackers import Row

PROJECT = "tune_s11"
"""Unless WANDB_PROJECT names another."""

_OFFLINE, _DISABLED = ("offline", "dryrun"), "disabled"


class WandbRun:
    """A run, at W&B or offline; see :class:`tune_s11.tracking.trackers.TrackedRun`."""

    epoch = 0  # W&B itself leaves out steps that it has, and offline nobody knows

    def __init__(self, run: Any) -> None:
        self._run, self.id = run, str(run.id)

    def log(self, rows: Sequence[Row]) -> None:
        """Sends epochs; the step is the epoch."""
        for epoch, figures in rows:
            self._run.log(dict(figures), step=epoch)

    def end(self, state: str) -> None:
        """Ends the run; where this fails the run has failed, whatever else its state."""
        self._run.summary["state"] = state
        self._run.finish(exit_code=int(state == "failed"))

    def leave(self) -> None:
        """Leaves the run as preempted. Without an end offline W&B would not even write what it has."""
        self._run.mark_preempting()
        self._run.finish(exit_code=1)


class WandbTracker:
    """A group for the search, a run for each trial and refit.

    WANDB_MODE, WANDB_PROJECT, WANDB_ENTITY and the like count as ever, and so do the files that ``wandb login`` writes.
    What is written locally is below the search, or in WANDB_DIR.

    Args:
        folder: Of the search.
    """

    def __init__(self, folder: SearchFolder) -> None:
        self._folder = folder
        self._written = Path(os.environ.get("WANDB_DIR") or folder.path) / folder.wandb.name

    def check(self) -> str:
        """As :meth:`tune_s11.tracking.trackers.Tracker.check`: online there has to be an API key."""
        try:
            settings = wandb.setup().settings
        except ValueError as error:  # of pydantic: a line for each setting, and its help
            raise InputError(f"--track wandb: {'; '.join(str(error).splitlines()[1:3])}") from None
        project = settings.project or PROJECT
        where = f"wandb: project {project}, group {self._folder.path.name}"
        if settings.mode == _DISABLED:
            return f"{where}; WANDB_MODE=disabled: nothing is sent"
        if settings.mode in _OFFLINE:
            return f"{where}; offline, to be sent with: wandb sync {shlex.quote(str(self._written))}/offline-run-*"
        try:
            known = wandb.login(prompt=False, verify=False)
        except wandb.Error as error:
            raise InputError(f"--track wandb: {error}") from None
        if not known:
            raise InputError(
                "--track wandb: needs an API key; run `wandb login`, or set WANDB_API_KEY, or WANDB_MODE=offline"
            )
        return f"{where}, at {settings.app_url}"

    def open(self, name: str, kind: str, params: Mapping[str, Any], id: str | None) -> WandbRun:
        """As :meth:`tune_s11.tracking.trackers.Tracker.open`."""
        run = wandb.init(
            project=wandb.setup().settings.project or PROJECT,
            group=self._folder.path.name,
            job_type=kind,
            name=name,
            id=id or uuid.uuid4().hex[:12],
            resume="allow",
            reinit="create_new",  # several are open at a time
            config=dict(params),
            dir=str(self._written.parent),
            settings=wandb.Settings(
                # This process is not the one that trains: neither its output nor its load says anything.
                console="off",
                x_disable_stats=True,
                x_disable_meta=True,
                disable_git=True,
                disable_code=True,
                silent=True,
                symlink=False,
            ),
        )
        return WandbRun(run)
