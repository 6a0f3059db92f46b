"""A trial as a Ray Tune trainable, which runs the trainer from report to report."""

import os
import time
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ray import tune
from ray.tune.result import DONE, SHOULD_CHECKPOINT, TIME_THIS_ITER_S

from tune_s11.config import Recipe, validated
from tune_s11.results.folder import checkpoint_file, checkpoint_folder
from tune_s11.search.tune.internals import saved
from tune_s11.search.workers.executor import Executor
from tune_s11.storage.remote import Remote, local_file
from tune_s11.training.checkpoint import load_checkpoint, save_checkpoint
from tune_s11.training.metrics import SCORE
from tune_s11.training.trainer import Trainer, TrainingData

REPORT_SECONDS = 5.0
"""Seconds after which a trial reports, even if not at a rung or its end. More reports would cost the driver time."""

CHECKPOINT_SECONDS = 60.0
"""Seconds after which a continuing trial is checkpointed, even if not at a rung."""


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """A trainable for parameters that the search chose.

    ``config`` has ``number``, ``folder``, ``params``, ``seed`` and ``checkpoint``, None unless the trial is resumed.

    An actor serves many trials; each starts from its own seed.
    """

    _config: dict[str, Any]
    _trainer: Trainer | None

    def setup(
        self,
        config: dict[str, Any],
        data: TrainingData,
        recipe: Recipe,
        rungs: frozenset[int],
        executor: Executor,
        compiled: bool = False,
        remote: Remote | None = None,
    ) -> None:
        """Store what all trials share, then prepare the first trial.

        Args:
            config: See the class.
            data: Training/validation split.
            recipe: Recipe with the fields that the space leaves fixed.
            rungs: Epochs at which the scheduler decides.
            executor: Executor that chooses the hardware.
            compiled: See :attr:`tune_s11.hardware.Hardware.compiled`.
            remote: Place of the trials' checkpoints in a storage; None: Tune stores them.
        """
        self._data, self._recipe, self._rungs, self._remote = data, recipe, rungs, remote
        self._hardware = executor.hardware(compiled=compiled)
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Prepare another trial in the same actor; its trainer is built in the first call that needs it.

        The trainer must wait because Tune gives up on a trial whose worker dies or raises during a reset, but resumes
        one that has started.
        """
        self._config, self._trainer = new_config, None
        return True

    def _begun(self) -> Trainer:
        """Return the trial's trainer, which the first call builds."""
        if self._trainer is None:
            self._hardware.activate()
            recipe = validated(Recipe, self._recipe.model_dump() | self._config["params"], "space.", strict=True)
            self._trainer = Trainer(recipe, self._data, self._hardware, self._config["seed"])
            self._saved = time.monotonic()
            if self._config["checkpoint"] is not None:
                with local_file(self._config["checkpoint"]) as file:
                    self._restore(self._trainer, file)
        return self._trainer

    def step(self) -> dict[str, Any]:
        """Train until a report is due, and return it: all epochs since the last report, and the last one's score."""
        trainer, rows, begun = self._begun(), [], time.monotonic()
        while True:
            metrics = trainer.run_epoch()
            rows.append(asdict(metrics))
            done = trainer.diverged or trainer.epoch >= trainer.recipe.epochs
            at_rung = trainer.epoch in self._rungs
            if done or at_rung or time.monotonic() - begun >= REPORT_SECONDS:
                break
        stale = time.monotonic() - self._saved >= CHECKPOINT_SECONDS
        return {
            "epoch": trainer.epoch,
            SCORE: metrics.score,
            "epochs": rows,
            "hardware": self._hardware.model_dump(),
            "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"),
            DONE: done,
            SHOULD_CHECKPOINT: not done and (at_rung or stale),
            TIME_THIS_ITER_S: time.monotonic() - begun,  # Tune uses the wall clock, which may be changed meanwhile
        }

    def save(self, checkpoint_dir: str | None = None) -> Any:
        """Save a checkpoint. An unreachable storage costs only this checkpoint, because the next report tries again."""
        if self._remote is None:
            return super().save(checkpoint_dir)
        with TemporaryDirectory() as folder:
            self.save_checkpoint(folder)
            file = checkpoint_file(Path(folder))
            content = file.read_bytes()
        place, checkpoint = self._remote / self._config["folder"] / checkpoint_folder(self._begun().epoch), None
        try:
            (place / file.name).write(content)
            filesystem, path = place.resolved()
            checkpoint = tune.Checkpoint(path, filesystem=filesystem)
        except OSError:
            self._saved = float("-inf")
        return saved(self, checkpoint)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write everything that is needed to resume."""
        save_checkpoint(checkpoint_file(Path(checkpoint_dir)), self._begun().state_dict())
        self._saved = time.monotonic()

    def load_checkpoint(self, checkpoint: str) -> None:
        """Resume after the worker of an earlier attempt has died."""
        self._restore(self._begun(), checkpoint_file(Path(checkpoint)))

    def _restore(self, trainer: Trainer, path: Path) -> None:
        trainer.load_state_dict(load_checkpoint(path))
