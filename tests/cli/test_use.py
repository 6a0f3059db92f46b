"""``tune-s11 predict`` and ``tune-s11 export``: what they print, write and refuse."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from tune_s11.cli import main
from tune_s11.results.folder import LAYOUT
from tune_s11.storage.remote import Remote
from tune_s11.storage.sync import Copy
from tune_s11.winner import load_best

Tune = Callable[..., str]


@pytest.fixture
def tune(finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tune:
    """Runs a command in the folder that holds ``results/own``, and returns what it prints."""
    monkeypatch.chdir(finished.parent.parent)

    def tune(*arguments: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["tune-s11", *arguments])
        with pytest.raises(SystemExit) as exit:
            main.main()
        out, err = capsys.readouterr()
        assert exit.value.code == code, err
        assert (err.count("\n"), out) == (1, "") if code else err == ""
        return err if code else out

    return tune


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
            "error: own: its winner, t0002, is not refit yet; resume the search with: tune-s11 search --resume own\n"
        )


def test_export_says_what_it_has_written_and_compared(tune: Tune, tmp_path: Path) -> None:
    first, second, third = tune("export", "own").splitlines()
    assert first.startswith("results/own/best/export/model.safetensors: logits differ from the refit's by ")
    assert second.startswith("and by ")
    assert second.endswith(" from those recorded of its test images")
    assert third == "model card: results/own/best/export/README.md"
    tune("export", "own", "--format", "torch", "--out", str(tmp_path / "elsewhere"))
    assert sorted(file.name for file in (tmp_path / "elsewhere").iterdir()) == ["README.md", "model.pt2"]


def test_export_refuses(tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for arguments, problem in (
        (("nobody",), "error: nobody: no such search"),
        (("own", "--format", "tflite"), "'tflite'"),
        (("own", "--out", str(tmp_path / "file")), "must be a folder, or a new one"),
    ):
        assert problem in tune("export", *arguments, code=2)
    monkeypatch.setattr("tune_s11.winner.export.TOLERANCE", -1)
    assert "more than -1; the file was removed" in tune("export", "own", code=1)
    assert list(Path("results/own/best/export").iterdir()) == []


def test_a_network_that_cannot_be_exported_is_one_line(tune: Tune, own_network: Path) -> None:
    error = tune("export", own_network.name, "--format", "torch", code=1)
    assert error.startswith("error: torch: cannot hold this network: GuardOnDataDependentSymNode: ")


def test_of_a_search_in_a_storage_the_export_is_copied_there(tune: Tune, finished: Path, storage: Remote) -> None:
    Copy(finished, storage / "own", LAYOUT).push()
    lines = tune("export", "own", "--storage", str(storage)).splitlines()
    assert lines[-1] == f"copied to {storage}/own/best/export"
    assert {"best/export/model.safetensors", "best/export/README.md"} <= (storage / "own").files().keys()
    assert tune("export", "own", "--storage", str(storage)).splitlines()[0].startswith(lines[0].partition(":")[0])
