"""Exported files: read back by the libraries that will read them, compared, and gone where they are not faithful."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.winner.exported import export_from, left
from tests.winner.finished import copy_of, edit, expected_logits, recipe_of, without_images
from tune_s11.config import InputError
from tune_s11.data import load_dataset
from tune_s11.results import load_search
from tune_s11.winner import load_best, read_best
from tune_s11.winner.export import FILES, TOLERANCE, ExportError, export

export_module = importlib.import_module("tune_s11.winner.export")


@pytest.mark.filterwarnings("ignore:The given buffer is not writable")  # torch 2.11 of torch.export.load
def test_every_format_gives_the_refits_logits_as_its_card_says(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = finished / "best" / "export"
    for kind in FILES:
        exported = export_from(finished, kind)
        assert exported.path == folder / FILES[kind]
        assert exported.difference <= TOLERANCE
        assert exported.recorded is not None
        assert exported.recorded <= 1e-4  # what the fixture has recorded is fp32 too
        assert exported.path.stat().st_mode == (folder / "README.md").stat().st_mode
    assert left(finished) == ["README.md", *sorted(FILES.values())]

    dataset = load_dataset(recipe_of(finished))
    pixels = np.concatenate([dataset.test.pixels, dataset.train.pixels])[:37]  # a batch size that nobody has tried
    images = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    expected = expected_logits(finished, dataset, pixels)
    card = (folder / "README.md").read_text()
    ways = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(ways) == len(FILES)
    monkeypatch.chdir(folder)
    for way in ways:  # as a reader would type it
        names = {"images": images if "onnx" in way else torch.from_numpy(images)}
        exec(way, names)
        found = names.get("logits", names.get("probabilities"))
        found = found.detach().numpy() if isinstance(found, torch.Tensor) else np.asarray(found)
        if "probabilities" in names:
            torch.testing.assert_close(torch.from_numpy(found), torch.from_numpy(expected).softmax(1))
        else:
            np.testing.assert_allclose(found, expected, atol=1e-4)

    import onnx

    props = {each.key: each.value for each in onnx.load(FILES["onnx"]).metadata_props}
    assert json.loads(props["classes"]) == ["<b>cat", "dog & co", "frog"]
    extra = {"classes.json": ""}
    torch.export.load(FILES["torch"], extra_files=extra)
    assert json.loads(extra["classes.json"]) == ["<b>cat", "dog & co", "frog"]


def test_a_file_that_is_not_faithful_is_removed_and_an_earlier_one_stays(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = export_from(finished, "safetensors").path.read_bytes()
    write = export_module.write_weights

    def spoil(path: Path, classifier: Any, recipe: Any) -> None:
        classifier.logits.shift += 0.01
        write(path, classifier, recipe)
        classifier.logits.shift -= 0.01

    monkeypatch.setattr(export_module, "write_weights", spoil)
    with pytest.raises(
        ExportError, match=r"safetensors: the exported logits differ from the refit's by .* was removed"
    ):
        export_from(finished, "safetensors")
    assert left(finished) == ["README.md", "model.safetensors"]
    assert (finished / "best" / "export" / "model.safetensors").read_bytes() == before


def test_logits_other_than_recorded_are_noticed(finished: Path) -> None:
    file = finished / "best" / "seed-0" / "test_logits.npz"
    with np.load(file) as arrays:
        kept = dict(arrays)
    np.savez(file, **kept | {"ema": kept["ema"] + 0.2})
    with pytest.raises(ExportError, match=r"differ from those in .*test_logits.npz by 0\.\d+, more than 0.01"):
        export_from(finished, "safetensors")
    assert left(finished) == []
    np.savez(file, **kept | {"ema": np.full_like(kept["ema"], np.nan)})
    with pytest.raises(ExportError, match="by nan"):
        export_from(finished, "safetensors")


def test_without_the_images_the_comparison_is_on_noise(finished: Path) -> None:
    without_images(finished)
    exported = export_from(finished, "safetensors")
    assert exported.recorded is None
    assert exported.difference <= TOLERANCE


def test_a_network_beyond_a_format(own_network: Path) -> None:
    with pytest.raises(ExportError, match="torch: cannot hold this network: ") as raised:
        export_from(own_network, "torch")
    assert "\n" not in str(raised.value)
    assert left(own_network) == []
    # Weights alone go, and want their network named when they come back.
    file = str(export_from(own_network, "safetensors").path)
    with pytest.raises(InputError, match="its network is deciding_net:build; if you trust it, pass --model deciding"):
        load_best(file, Path())
    assert load_best(file, Path(), "deciding_net:build").classes == ("<b>cat", "dog & co", "frog")
    with pytest.raises(InputError, match="its network is deciding_net:build"):
        load_best(file, Path(), "os:system")


def test_a_format_whose_library_is_not_installed(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"--format onnx: needs onnxscript: pip install 'tune-s11\[onnx\]'"):
        export_from(finished, "onnx")
    assert left(finished) == []


def test_a_folder_that_cannot_be_written(finished: Path) -> None:
    (finished / "best" / "export").write_text("in the way")
    with pytest.raises(InputError, match="export: cannot be written: "):
        export_from(finished, "safetensors")


def test_another_card_is_neither_lost_nor_made_to_lie(finished: Path) -> None:
    folder = finished / "best" / "export"
    export_from(finished, "safetensors")
    card = (folder / "README.md").read_text()
    export_from(finished, "safetensors")
    assert (folder / "README.md").read_text() == card
    (finished / "best" / "seed-0").rename(finished / "best" / "seed-9")
    (finished / "best" / "seed-1").rename(finished / "best" / "seed-0")  # other weights
    for text in (card, "# My project\n"):
        (folder / "README.md").write_text(text)
        with pytest.raises(InputError, match=r"--out .*export: must be a new folder, or this winner's; its README"):
            export_from(finished, "safetensors")
        assert (folder / "README.md").read_text() == text


def test_the_export_goes_with_a_winner_that_is_outdone(finished: Path) -> None:
    other = copy_of(finished, "other")
    edit(other / "best" / "metrics.json", trial="t0000")
    with pytest.raises(InputError, match="other: best/ holds t0000, which t0002 has since outperformed"):
        export_from(other, "safetensors")


def without_ema(path: Path) -> None:
    """The same search, as if its recipe had no EMA: the raw weights are shipped, and nothing is recorded of others."""
    for file in ("winner.json", "metrics.json"):
        recipe = json.loads((path / "best" / file).read_text())["recipe"]
        edit(path / "best" / file, recipe=recipe | {"ema_horizon": 0.0})
    metrics = json.loads((path / "best" / "metrics.json").read_text())
    edit(path / "best" / "metrics.json", runs=[run | {"ema": None} for run in metrics["runs"]])
    for file in path.glob("best/seed-*/test_logits.npz"):
        with np.load(file) as arrays:
            labels, raw = arrays["labels"], arrays["raw"]
        np.savez_compressed(file, labels=labels, raw=raw)


def test_of_a_recipe_without_an_ema_the_raw_weights_are_exported_and_compared(finished: Path, tmp_path: Path) -> None:
    without_ema(finished)
    done = export(read_best(load_search(str(finished), finished.parent)), "safetensors", tmp_path / "out")
    assert done.recorded is not None
    card = (tmp_path / "out" / "README.md").read_text()
    assert "raw weights of the refit from seed 0" in card
    assert "EMA" not in card


def test_a_file_of_somebody_else_is_not_vouched_for(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("not this winner's")
    export(read_best(load_search(str(finished), finished.parent)), "safetensors", tmp_path)
    assert "model.onnx" not in (tmp_path / "README.md").read_text()
