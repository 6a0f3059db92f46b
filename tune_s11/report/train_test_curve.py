"""Reads the training and test metrics of one run by epoch: the first refit of a winner, or a single run."""

import math
from dataclasses import dataclass

from tune_s11.config import InputError
from tune_s11.results.folder import RefitFolder
from tune_s11.results.tested_epochs import read_test_curve


@dataclass(frozen=True)
class TrainTestEpoch:
    """Training and test metrics of one epoch.

    Losses are in nats, and None in an epoch that diverged. Test metrics are None if the test curve lacks the epoch, and
    EMA metrics also if the recipe has no EMA.
    """

    epoch: int
    """Epochs completed, this one included."""
    lr: float
    train_loss: float | None
    train_accuracy: float
    test_loss: float | None
    test_accuracy: float | None
    """Test accuracy of the raw weights."""
    ema_test_loss: float | None
    ema_test_accuracy: float | None
    """Test accuracy of the EMA weights."""

    @property
    def shipped(self) -> float | None:
        """Test accuracy of the weights that are shipped: the EMA weights, or the raw ones without an EMA."""
        return self.test_accuracy if self.ema_test_accuracy is None else self.ema_test_accuracy


def read_train_test(folder: RefitFolder) -> list[TrainTestEpoch]:
    """Read the epochs of a run that is tested after each epoch, in rising order.

    Raises:
        InputError: One of the two files is missing or damaged.
    """
    for path in (folder.test_curve, folder.metrics):
        if not path.exists():
            raise InputError(f"{path}: no such file")
    tested = {row.epoch: row for row in read_test_curve(folder.test_curve)}
    trained = {row.epoch: row for row in folder.epochs()}
    figures = (value for row in trained.values() for value in (row.lr, row.train_loss, row.train_accuracy))
    if not tested:
        raise InputError(f"{folder.test_curve}: is damaged")
    if not trained or not all(map(_is_figure, figures)):
        raise InputError(f"{folder.metrics}: is damaged")
    rows = []
    for epoch, row in sorted(trained.items()):
        test = tested.get(epoch)
        rows.append(
            TrainTestEpoch(
                epoch=epoch,
                lr=row.lr,
                train_loss=row.train_loss,
                train_accuracy=row.train_accuracy,
                test_loss=test.test_loss if test else None,
                test_accuracy=test.test_accuracy if test else None,
                ema_test_loss=test.ema_test_loss if test else None,
                ema_test_accuracy=test.ema_test_accuracy if test else None,
            )
        )
    return rows


def _is_figure(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and math.isfinite(value))
