"""Single trials: run, cut off, taken up again."""

import json
from pathlib import Path

import pytest

from tune_s11 import train
from tune_s11.results import read_rows

TINY = ["--space", "quick", "--threads", "1", "--precision", "fp32"]
TINY += [f"--set={setting}" for setting in ("image_size=8", "width=4", "pad=1", "cutout=2", "epochs=6", "peak_epoch=2")]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def run(*arguments: str) -> None:
        monkeypatch.setattr("sys.argv", ["train", "--storage", str(tmp_path), *arguments])
        with pytest.raises(SystemExit) as exit:
            train.main()
        assert exit.value.code == 0

    return run


def without_times(rows: list[dict]) -> list[dict]:
    return [{key: row[key] for key in row.keys() - {"seconds", "images_per_second"}} for row in rows]


def test_run_and_resume(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*TINY, "--name", "whole")
    output = capsys.readouterr().out
    assert "epoch   6/6" in output
    whole = read_rows(tmp_path / "whole" / "metrics.jsonl")
    assert [row["epoch"] for row in whole] == [1, 2, 3, 4, 5, 6]
    record = json.loads((tmp_path / "whole" / "run.json").read_text())
    assert record["hardware"] == {"device": "cpu", "precision": "fp32", "threads": 1, "compiled": False}

    # The same, cut off by an error in the fourth epoch, with a checkpoint after each.
    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", 0.0)
    run_epoch = train.Trainer.run_epoch

    def cut_off(self: train.Trainer) -> train.EpochMetrics:
        if self.epoch == 3:
            raise KeyboardInterrupt
        return run_epoch(self)

    monkeypatch.setattr(train.Trainer, "run_epoch", cut_off)
    monkeypatch.setattr("sys.argv", ["train", "--storage", str(tmp_path), *TINY, "--name", "cut"])
    with pytest.raises(SystemExit) as exit:
        train.main()
    assert exit.value.code == 130
    monkeypatch.setattr(train.Trainer, "run_epoch", run_epoch)
    run("--resume", "cut")
    assert without_times(read_rows(tmp_path / "cut" / "metrics.jsonl")) == without_times(whole)


def test_a_run_of_a_gpu_goes_on_only_where_there_is_one(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*TINY, "--name", "mine")
    record = tmp_path / "mine" / "run.json"
    record.write_text(record.read_text().replace('"cpu",\n    "precision"', '"cuda",\n    "precision"'))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["train", "--storage", str(tmp_path), "--resume", "mine"])
    with pytest.raises(SystemExit) as exit:
        train.main()
    assert exit.value.code == 2
    assert "error: --resume mine: ran on a GPU, and " in capsys.readouterr().err


def test_any_schedule_and_augmentation(run, tmp_path: Path) -> None:
    run(
        *TINY,
        "--name",
        "plateau",
        "--set",
        "schedule=plateau",
        "--set",
        "augmentation=albumentations",
        "--set",
        "epochs=3",
    )
    rows = read_rows(tmp_path / "plateau" / "metrics.jsonl")
    assert rows[0]["lr"] == 0.4
