"""The made-up search of the report's tests, with the logits that its networks really give."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from tune_s11.config import Recipe
from tune_s11.data import Dataset, load_dataset, normalise
from tune_s11.models import S11ResNet
from tune_s11.training.checkpoint import load_checkpoint


def edit(path: Path, **changes: object) -> None:
    plain = json.loads(path.read_text())
    path.write_text(json.dumps(plain | changes))


def recipe_of(path: Path) -> Recipe:
    return Recipe.model_validate(json.loads((path / "best" / "winner.json").read_text())["recipe"])


def expected_logits(path: Path, dataset: Dataset, pixels: np.ndarray, seed: int = 0) -> np.ndarray:
    """By the parts that a refit is made of, and nothing of what is tested."""
    model = S11ResNet(width=3, num_classes=3).eval()
    model.load_state_dict(load_checkpoint(path / "best" / f"seed-{seed}" / "checkpoint.pt")["average"])
    with torch.inference_mode():
        logits = model(normalise(torch.tensor(pixels), dataset.mean, dataset.std))
    return np.asarray(logits * recipe_of(path).logit_scale)


@pytest.fixture
def finished(search_path: Path) -> Path:
    """A finished search of the test's own, whose records fit its networks and its images."""
    dataset = load_dataset(recipe_of(search_path))
    manifest = search_path / "manifest.json"
    data = json.loads(manifest.read_text())["data"]
    data |= {"fingerprint": dataset.fingerprint, "mean": dataset.mean, "std": dataset.std, "test_images": 36}
    edit(manifest, data=data)
    for seed in (0, 1):
        logits = expected_logits(search_path, dataset, dataset.test.pixels, seed)
        file = search_path / "best" / f"seed-{seed}" / "test_logits.npz"
        np.savez_compressed(file, labels=dataset.test.labels, raw=logits, ema=logits)
    return search_path


@pytest.fixture
def own_network(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same search, as if its network were one of the user's own, which looks at its input to decide what to do."""
    (tmp_path / "deciding_net.py").write_text(
        "from tune_s11.models import S11ResNet\n"
        "class Deciding(S11ResNet):\n"
        "    def forward(self, images):\n"
        "        return super().forward(images if images.sum() > 0 else images.clone())\n"
        "def build(width, num_classes, image_size):\n"
        "    return Deciding(width, num_classes, image_size)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("winner.json", "metrics.json"):
        file = finished / "best" / name
        recipe = json.loads(file.read_text())["recipe"]
        edit(file, recipe=recipe | {"model": "deciding_net:build"})
    return finished


def without_images(path: Path) -> None:
    """The search on a machine that lacks its images."""
    for name in ("winner.json", "metrics.json"):
        file = path / "best" / name
        recipe = json.loads(file.read_text())["recipe"]
        edit(file, recipe=recipe | {"data_dir": str(path / "nowhere")})


def copy_of(path: Path, name: str) -> Path:
    return Path(shutil.copytree(path, path.with_name(name)))
