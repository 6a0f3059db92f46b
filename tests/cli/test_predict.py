"""``tune-s11 predict``: what it prints and refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from tune_s11.winner import load_best

Tune = Callable[..., str]


def test_predict_prints_class_and_probability_of_each_image(tune: Tune, images: Path) -> None:
    files = sorted((images / "test").rglob("*.png"))[:3]
    with torch.inference_mode():
        expected = load_best("own", Path("results"))([Image.open(file) for file in files])
    lines = tune("predict", "own", *map(str, files)).splitlines()
    names = ["<b>cat", "dog & co", "frog"]
    assert lines == [
        f"{file}  {names[row.argmax()]}  {row.max():.4f}" for file, row in zip(files, expected, strict=True)
    ]
    found = json.loads(tune("predict", "own", "--json", *map(str, files)))
    assert [row["image"] for row in found] == list(map(str, files))
    for row, probabilities in zip(found, expected, strict=True):
        assert list(row["probabilities"]) == names
        assert list(row["probabilities"].values()) == pytest.approx(probabilities.tolist())
        assert row["probability"] == max(row["probabilities"].values()) == row["probabilities"][row["class"]]


def test_predict_takes_folders_and_exported_weights(tune: Tune, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tune_s11.cli.predict.BATCH", 5)
    lines = tune("predict", "own", str(images / "test")).splitlines()
    assert len(lines) == 36
    assert (
        tune("predict", "own", *(line.rpartition("  ")[0].rpartition("  ")[0] for line in lines)).splitlines() == lines
    )
    tune("export", "own")
    assert tune("predict", "results/own/best/export/model.safetensors", str(images / "test")).splitlines() == lines


def test_predict_refuses(tune: Tune, tmp_path: Path, images: Path) -> None:
    (tmp_path / "bad\n.png").write_bytes(b"hello")
    (tmp_path / "empty").mkdir()
    good = str(next((images / "test").rglob("*.png")))
    for arguments, problem in (
        (("nobody", good), "error: nobody: no such search; results has own"),
        (("own",), "Missing argument"),
        (("own", good, str(tmp_path / "bad\n.png")), "bad\\n.png': cannot be decoded as an image: not a PNG"),
        (("own", good, "nowhere.png"), "'nowhere.png': cannot be decoded as an image: [Errno 2] No such file"),
        (("own", str(tmp_path / "empty")), "empty': holds no images"),
        (("none.safetensors", good), "none.safetensors: no such file"),
    ):
        assert problem in tune("predict", *arguments, code=2)


def test_before_the_refit_there_is_a_command_to_resume_by(tune: Tune, finished: Path, images: Path) -> None:
    shutil.rmtree(finished / "best")
    for arguments in (("predict", "own", str(images)), ("export", "own")):
        error = tune(*arguments, code=2)
        assert error == (
            "error: own: the winner, t0002, is not refit yet; resume the search with: tune-s11 search --resume own\n"
        )
