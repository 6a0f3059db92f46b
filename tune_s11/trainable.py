"""One trial as Ray Tune sees it: the trainer, run from report to report."""

import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.result import DONE, SHOULD_CHECKPOINT

from tune_s11.checkpoint import load_checkpoint, save_checkpoint
from tune_s11.config import Recipe, validated
from tune_s11.hardware import Precision, choose_hardware
from tune_s11.results import SCORE
from tune_s11.trainer import Trainer, TrainingData

REPORT_SECONDS = 5.0
"""A trial reports at rungs, at its end, and when this long has passed: a report costs the driver's time."""

CHECKPOINT_SECONDS = 60.0
"""A trial is checkpointed at rungs, and when this long has passed."""

_FILE = "checkpoint.pt"


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """Trains what the search chose: ``config`` holds ``params``, ``seed`` and, to go on, ``checkpoint``.

    An actor serves many trials; each begins anew from its own seed.
    """

    def setup(
        self,
        config: dict[str, Any],
        data: TrainingData,
        recipe: Recipe,
        rungs: frozenset[int],
        precision: Precision,
        threads: int,
    ) -> None:
        """Keeps what all trials share, then begins the first.

        Args:
            config: See the class.
            data: To learn from and validate on.
            recipe: What the space left fixed.
            rungs: Epochs at which the scheduler decides.
            precision: As asked for; ``auto`` is resolved here, where the device is.
            threads: CPU threads.
        """
        self._data, self._recipe, self._rungs = data, recipe, rungs
        self._hardware = choose_hardware(precision, threads)
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begins another trial in the same actor."""
        self._begin(new_config)
        return True

    def _begin(self, config: dict[str, Any]) -> None:
        self._hardware.activate()
        recipe = validated(Recipe, self._recipe.model_dump() | config["params"], "space.", strict=True)
        self._trainer = Trainer(recipe, self._data, self._hardware, config["seed"])
        self._saved = time.monotonic()
        if config["checkpoint"] is not None:
            self._restore(Path(config["checkpoint"]))

    def step(self) -> dict[str, Any]:
        """Trains until there is something to report: all epochs since the last report, and the last one's score."""
        trainer, rows, begun = self._trainer, [], time.monotonic()
        while True:
            rows.append(asdict(trainer.run_epoch()))
            done = trainer.diverged or trainer.epoch >= trainer.recipe.epochs
            at_rung = trainer.epoch in self._rungs
            if done or at_rung or time.monotonic() - begun >= REPORT_SECONDS:
                break
        stale = time.monotonic() - self._saved >= CHECKPOINT_SECONDS
        return {
            "epoch": trainer.epoch,
            SCORE: rows[-1][SCORE],
            "epochs": rows,
            "hardware": self._hardware.model_dump(),
            "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"),
            DONE: done,
            SHOULD_CHECKPOINT: not trainer.diverged and (done or at_rung or stale),
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Writes all that is needed to go on."""
        save_checkpoint(Path(checkpoint_dir) / _FILE, self._trainer.state_dict())
        self._saved = time.monotonic()

    def load_checkpoint(self, checkpoint: str) -> None:
        """Goes on after the worker of an earlier attempt died."""
        self._restore(Path(checkpoint) / _FILE)

    def _restore(self, path: Path) -> None:
        self._trainer.load_state_dict(load_checkpoint(path, self._hardware.device))
