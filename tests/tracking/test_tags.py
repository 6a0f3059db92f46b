"""What an epoch's figures are called elsewhere."""

from tune_s11.tracking.tags import tagged


def test_what_an_epoch_does_not_have_is_left_out() -> None:
    row = {"epoch": 3, "lr": 0.1, "train_loss": None, "train_accuracy": 0.0, "val_accuracy": 0.5, "diverged": True}
    assert tagged(row) == {"learning_rate": 0.1, "accuracy/training": 0.0, "accuracy/validation": 0.5}
