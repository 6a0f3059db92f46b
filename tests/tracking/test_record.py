"""What was sent to whom."""

from pathlib import Path

from tune_s11.tracking.record import Sent, SentRecord, tracker_of


def test_each_tracker_has_its_own_lines_and_the_last_one_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "tracked.jsonl"
    assert tracker_of(path) is None
    first = SentRecord(path, "wandb", "here")
    first.begin()
    assert tracker_of(path) == "wandb"
    first.update("t0000", Sent("a"))
    first.update("t0000", Sent("a", 4))
    second = SentRecord(path, "mlflow", "here")
    second.begin()
    assert (second.of("t0000"), tracker_of(path)) == (None, "mlflow")
    second.update("t0000", Sent("b", 6, "complete"))
    with path.open("a") as file:
        file.write('{"tracker": "wandb", "run": "t0')  # killed while it was written

    assert SentRecord(path, "wandb", "here").of("t0000") == Sent("a", 4)
    assert SentRecord(path, "mlflow", "here").of("t0000") == Sent("b", 6, "complete")
    assert tracker_of(path) == "mlflow"


def test_a_line_after_one_that_was_interrupted_is_read(tmp_path: Path) -> None:
    path = tmp_path / "tracked.jsonl"
    path.write_text('{"tracker": "wandb"}\n{"tracker": "wandb", "run": "t0')
    SentRecord(path, "wandb", "here").update("t0001", Sent("a", 2))
    assert SentRecord(path, "wandb", "here").of("t0001") == Sent("a", 2)


def test_another_destination_has_received_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tracked.jsonl"
    path.write_text('{"tracker": "mlflow", "run": "t0000", "id": "a", "epoch": 2, "state": null}\n')  # of version 0.1
    SentRecord(path, "mlflow", "one").update("t0001", Sent("b", 4))
    one, other = (SentRecord(path, "mlflow", name) for name in ("one", "other"))
    assert (one.of("t0000"), one.of("t0001")) == (Sent("a", 2), Sent("b", 4))
    assert (other.of("t0000"), other.of("t0001")) == (Sent("a", 2), None)


def test_a_tracker_of_a_later_version_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "tracked.jsonl"
    path.write_text('{"tracker": "aim"}\n')
    assert tracker_of(path) is None
