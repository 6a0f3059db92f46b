"""Trains in a folder and tests at the end: for refits of the winner, and for single runs with ``--test``."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from tune_s11.data import Images
from tune_s11.results.folder import RefitFolder
from tune_s11.results.records import RefitScores
from tune_s11.results.tested_epochs import EpochTestMetrics, read_test_curve, write_test_curve
from tune_s11.training.fitting import fit
from tune_s11.training.metrics import EpochMetrics
from tune_s11.training.trainer import Trainer

OnEpoch = Callable[[EpochMetrics, EpochTestMetrics | None], None]
"""Function to call after each epoch; without a test curve it gets None in place of test metrics."""


def fit_and_test(
    trainer: Trainer,
    images: Images,
    folder: RefitFolder,
    *,
    curve: bool = True,
    on_start: Callable[[], None] | None = None,
    on_epoch: OnEpoch | None = None,
) -> RefitScores:
    """Train to the end in a folder, as :func:`tune_s11.training.fitting.fit` does, and test the network.

    A test curve leaks nothing. No schedule, checkpoint or choice depends on it, and the reported accuracy is that of
    the last epoch, whatever the curve did before.

    Args:
        trainer: Trainer that has not trained yet.
        images: Test images.
        folder: Folder to write into, created if it is missing; a run that was started there is resumed.
        curve: Whether to test after each epoch too, which costs two passes over the test images per epoch.
        on_start: Called once, when the trainer is at the epoch to resume from.
        on_epoch: Called after each epoch, once its rows are written.

    Raises:
        CheckpointError: The folder's checkpoint cannot be read.
    """
    test = _TestImages(trainer, images)
    rows: list[EpochTestMetrics] = []

    def write_row() -> EpochTestMetrics:
        rows.append(test.row())
        write_test_curve(folder.test_curve, rows)
        return rows[-1]

    def start() -> None:
        if curve:
            rows.extend(row for row in read_test_curve(folder.test_curve) if row.epoch < trainer.epoch)
            if trainer.epoch:  # its row is lost if the process was killed after the checkpoint
                write_row()
        if on_start:
            on_start()

    def end_epoch(metrics: EpochMetrics) -> None:
        tested = write_row() if curve else None
        if on_epoch:
            on_epoch(metrics, tested)

    fit(trainer, folder, start, end_epoch)
    logits = test.logits()
    scores = RefitScores(
        seed=trainer.seed,
        hardware=trainer.hardware,
        diverged=trainer.diverged,
        raw=test.accuracy(logits["raw"]),
        ema=test.accuracy(logits["ema"]) if "ema" in logits else None,
    )
    np.savez_compressed(folder.test_logits, labels=images.labels, **logits)  # type: ignore[arg-type]
    scores.write(folder.scores)
    return scores


class _TestImages:
    """The test images of one run, on its device.

    Args:
        trainer: Trainer of the run.
        images: Test images.
    """

    def __init__(self, trainer: Trainer, images: Images) -> None:
        self._trainer, self._labels = trainer, images.labels
        self._pixels = trainer.on_device(images)[0]

    def logits(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return scaled logits (N, num_classes) of the current ``raw`` weights and any ``ema`` weights."""
        models = {"raw": self._trainer.model}
        if self._trainer.average.on:
            models["ema"] = self._trainer.average.model
        return {name: self._trainer.predict(model, self._pixels).cpu().numpy() for name, model in models.items()}

    def accuracy(self, logits: npt.NDArray[np.float32]) -> float:
        """Return the share of the images whose likeliest class is the true one."""
        return float(np.mean(logits.argmax(1) == self._labels))

    def row(self) -> EpochTestMetrics:
        """Return the row of the test curve for the trainer's last completed epoch."""
        logits = self.logits()
        ema = logits.get("ema")
        return EpochTestMetrics(
            epoch=self._trainer.epoch,
            test_loss=self._loss(logits["raw"]),
            test_accuracy=self.accuracy(logits["raw"]),
            ema_test_loss=None if ema is None else self._loss(ema),
            ema_test_accuracy=None if ema is None else self.accuracy(ema),
        )

    def _loss(self, logits: npt.NDArray[np.float32]) -> float | None:
        loss = float(F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(self._labels)))
        return loss if np.isfinite(loss) else None
