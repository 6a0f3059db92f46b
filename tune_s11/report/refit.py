"""How the winner was refit: trained and tested by epoch."""

import math
from dataclasses import dataclass

from tune_s11.config import InputError
from tune_s11.results.folder import RefitFolder
from tune_s11.results.test_curve import read_test_curve


@dataclass(frozen=True)
class RefitEpoch:
    """One epoch of a refit, trained and tested.

    Losses are in nats, None in an epoch that diverged; test figures are None where the test curve lacks the epoch.
    """

    epoch: int
    """Epochs done, this one included."""
    lr: float
    train_loss: float | None
    train_accuracy: float
    test_loss: float | None
    test_accuracy: float | None
    """Of the raw weights."""
    ema_test_loss: float | None
    ema_test_accuracy: float | None
    """Of the moving average of the weights."""


def read_refit_curve(folder: RefitFolder) -> list[RefitEpoch]:
    """What a refit trained and, after each epoch, was tested, rising by epoch.

    Raises:
        InputError: One of the two files is missing or damaged.
    """
    for path in (folder.test_curve, folder.metrics):
        if not path.exists():
            raise InputError(f"{path}: no such file; refits of earlier versions have none")
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
            RefitEpoch(
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
