"""Trains to the end in a folder, resuming where an earlier attempt stopped."""

import time
from collections.abc import Callable

from tune_s11.training.checkpoint import load_checkpoint, save_checkpoint
from tune_s11.training.metrics import EpochMetrics, RunFolder, write_metrics
from tune_s11.training.trainer import Trainer

CHECKPOINT_SECONDS = 10.0
"""Shortest time between two checkpoints of a run: on a GPU, a checkpoint takes as long as an epoch."""


def fit(
    trainer: Trainer,
    folder: RunFolder,
    on_start: Callable[[], None] | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> list[EpochMetrics]:
    """Train to the end in a folder, and write one line per epoch and occasional checkpoints.

    Training resumes from the folder's checkpoint if there is one.

    Args:
        trainer: Trainer that has not trained yet.
        folder: Folder to write into; created if it is missing.
        on_start: Called once, when the trainer is at the epoch to resume from.
        on_epoch: Called after each epoch.

    Returns:
        Metrics of all epochs. For a while, the file may instead hold those of another worker, whose node was
        disconnected and which does not know of this one.

    Raises:
        CheckpointError: The folder's checkpoint cannot be read.
    """
    folder.path.mkdir(parents=True, exist_ok=True)
    if folder.checkpoint.exists():
        trainer.load_state_dict(load_checkpoint(folder.checkpoint))
    epochs = [epoch for epoch in folder.epochs() if epoch.epoch <= trainer.epoch]
    if on_start:
        on_start()
    saved = time.monotonic()
    for metrics in trainer:
        epochs.append(metrics)
        write_metrics(folder.metrics, epochs)
        if trainer.epoch == trainer.recipe.epochs or time.monotonic() - saved >= CHECKPOINT_SECONDS:
            save_checkpoint(folder.checkpoint, trainer.state_dict())
            saved = time.monotonic()
        if on_epoch:
            on_epoch(metrics)
    return epochs
