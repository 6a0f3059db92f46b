"""From a search on disk to its winner: which refit, what it needs, and each thing that may be missing."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.winner.finished import edit, expected_logits, recipe_of, without_images
from tune_s11.config import InputError
from tune_s11.data import load_dataset
from tune_s11.results import load_search
from tune_s11.winner import load_best, read_best


def logits(path: Path, pixels: np.ndarray) -> np.ndarray:
    best = read_best(load_search(str(path), path.parent))
    with torch.inference_mode():
        return np.asarray(best.classifier.logits(torch.tensor(pixels).permute(0, 3, 1, 2)))


def refuse(path: Path, problem: str) -> None:
    with pytest.raises(InputError) as raised:
        load_best(path.name, path.parent)
    assert problem in str(raised.value)
    assert str(raised.value).isprintable()


def test_the_first_refit_is_the_one(finished: Path) -> None:
    dataset = load_dataset(recipe_of(finished))
    pixels = dataset.test.pixels
    np.testing.assert_allclose(logits(finished, pixels), expected_logits(finished, dataset, pixels), atol=1e-5)
    best = load_best("own", finished.parent)
    assert (best.classes, best.image_size) == (("<b>cat", "dog & co", "frog"), 32)


def test_a_refit_that_diverged_is_passed_over(finished: Path) -> None:
    dataset = load_dataset(recipe_of(finished))
    pixels, metrics = dataset.test.pixels, finished / "best" / "metrics.json"
    first, second = json.loads(metrics.read_text())["runs"]
    edit(metrics, runs=[first | {"diverged": True}, second])
    np.testing.assert_allclose(logits(finished, pixels), expected_logits(finished, dataset, pixels, 1), atol=1e-5)
    edit(metrics, runs=[first | {"diverged": True}, second | {"diverged": True}])
    refuse(finished, "own: every refit of t0002 has diverged")


def test_neither_images_nor_range_test_are_needed(finished: Path) -> None:
    pixels = load_dataset(recipe_of(finished)).test.pixels
    before = logits(finished, pixels)
    without_images(finished)
    (finished / "lr_range.json").unlink()
    np.testing.assert_array_equal(logits(finished, pixels), before)


def test_manifests_of_before_have_no_mean(finished: Path) -> None:
    pixels = load_dataset(recipe_of(finished)).test.pixels
    before = logits(finished, pixels)
    manifest = finished / "manifest.json"
    data = json.loads(manifest.read_text())["data"]
    edit(manifest, data={key: value for key, value in data.items() if key not in ("mean", "std")})
    np.testing.assert_array_equal(logits(finished, pixels), before)
    edit(manifest, data={key: value for key, value in data.items() if key != "mean"} | {"fingerprint": "other"})
    refuse(finished, "the images are not those that the search worked on")
    without_images(finished)
    refuse(finished, "nowhere': no such folder")


def test_what_is_missing_is_named(finished: Path) -> None:
    (finished / "manifest.json").write_text("{}")
    refuse(finished, "manifest.json: is missing or damaged; it must name the classes")
    (finished / "best" / "seed-0" / "checkpoint.pt").write_bytes(b"")
    edit(finished / "manifest.json", data={"classes": ["a", "b", "c"], "mean": [0, 0, 0], "std": [1, 1, 1]})
    refuse(finished, "checkpoint.pt: cannot be read as a checkpoint")
    (finished / "best" / "metrics.json").unlink()
    refuse(finished, "own: the winner, t0002, is not refit yet")
    for number in (0, 2):
        (finished / "trials" / f"t{number:04d}" / "result.json").unlink()
    refuse(finished, "own: has no winner yet: no trial is complete")
    with pytest.raises(InputError, match="nobody: no such search"):
        load_best("nobody", finished.parent)


def test_weights_of_another_network(finished: Path) -> None:
    edit(finished / "manifest.json", data={"classes": ["a", "b"], "mean": [0, 0, 0], "std": [1, 1, 1]})
    refuse(finished, "checkpoint.pt: holds no EMA weights of this network (RuntimeError)")
