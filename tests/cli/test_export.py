"""``tune-s11 export``: what it prints, writes and refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tune_s11.results.folder import LAYOUT
from tune_s11.storage.remote import Remote
from tune_s11.storage.sync import Copy

Tune = Callable[..., str]


def test_export_says_what_it_has_written_and_compared(tune: Tune, tmp_path: Path) -> None:
    first, second, third = tune("export", "own").splitlines()
    assert first.startswith("results/own/best/export/model.safetensors: logits differ from the refit's by ")
    assert second.startswith("and by ")
    assert second.endswith(" from those recorded for its test images")
    assert third == "model card: results/own/best/export/README.md"
    tune("export", "own", "--format", "torch", "--out", str(tmp_path / "elsewhere"))
    assert sorted(file.name for file in (tmp_path / "elsewhere").iterdir()) == ["README.md", "model.pt2"]


def test_export_refuses(tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for arguments, problem in (
        (("nobody",), "error: nobody: no such search"),
        (("own", "--format", "tflite"), "'tflite'"),
        (("own", "--out", str(tmp_path / "file")), "must be a folder, existing or new"),
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
