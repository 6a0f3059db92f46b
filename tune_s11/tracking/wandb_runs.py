"""Sends runs to Weights & Biases, or writes them to files that `wandb sync` uploads later."""

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
"""Default project; WANDB_PROJECT overrides it."""

_OFFLINE, _DISABLED = ("offline", "dryrun"), "disabled"


class WandbRun:
    """A run at W&B or offline; see :class:`tune_s11.tracking.trackers.TrackedRun`."""

    epoch = 0  # W&B itself skips steps that it already has; offline, they are not known

    def __init__(self, run: Any) -> None:
        self._run, self.id = run, str(run.id)

    def log(self, rows: Sequence[Row]) -> None:
        """Send epochs; the step is the epoch."""
        for epoch, figures in rows:
            self._run.log(dict(figures), step=epoch)

    def end(self, state: str) -> None:
        """End the run. W&B marks it as failed only if it has failed; every other state is in its summary alone."""
        self._run.summary["state"] = state
        self._run.finish(exit_code=int(state == "failed"))

    def leave(self) -> None:
        """Leave the run as preempted. Offline, W&B would lose data if the run were not finished at all."""
        self._run.mark_preempting()
        self._run.finish(exit_code=1)


class WandbTracker:
    """A tracker that makes one group for the search, and one run for each trial and refit.

    WANDB_MODE, WANDB_PROJECT, WANDB_ENTITY and similar variables work as usual, and so do the files that ``wandb
    login`` writes. Local files are in the search's folder, or in WANDB_DIR.

    Args:
        folder: Folder of the search.
    """

    def __init__(self, folder: SearchFolder) -> None:
        self._folder = folder
        self._written = Path(os.environ.get("WANDB_DIR") or folder.path) / folder.wandb.name

    @property
    def destination(self) -> str:
        """See :class:`tune_s11.tracking.trackers.Tracker`; offline runs go there later."""
        settings = wandb.setup().settings
        return f"{settings.base_url}/{settings.entity or ''}/{settings.project or PROJECT}"

    def check(self) -> str:
        """See :meth:`tune_s11.tracking.trackers.Tracker.check`; online, there must be an API key."""
        try:
            settings = wandb.setup().settings
        except ValueError as error:  # from pydantic: a line for each setting, and its help
            raise InputError(f"--track wandb: {'; '.join(str(error).splitlines()[1:3])}") from None
        project = settings.project or PROJECT
        where = f"wandb: project {project}, group {self._folder.path.name}"
        if settings.mode == _DISABLED:
            return f"{where}; WANDB_MODE=disabled: nothing is sent"
        if settings.mode in _OFFLINE:
            return f"{where}; offline, send it with: wandb sync {shlex.quote(str(self._written))}/offline-run-*"
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
        """See :meth:`tune_s11.tracking.trackers.Tracker.open`."""
        run = wandb.init(
            project=wandb.setup().settings.project or PROJECT,
            group=self._folder.path.name,
            job_type=kind,
            name=name,
            id=id or uuid.uuid4().hex[:12],
            resume="allow",
            reinit="create_new",  # several runs are open at a time
            config=dict(params),
            dir=str(self._written.parent),
            settings=wandb.Settings(
                # This process does not train, so its output and its load are of no interest.
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
