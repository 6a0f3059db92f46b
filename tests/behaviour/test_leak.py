"""No model is given a test image before the winner is named."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tune_s11.data.folder import read_folder

MODEL = """
from pathlib import Path
import torch
from tune_s11.models import S11ResNet

RESULTS = Path({results!r})

class Guarded(S11ResNet):
    def forward(self, images):
        if (images.flatten(2).std(2) < 1e-4).all(1).any():  # one colour all over: a test image
            if not (RESULTS / "best" / "winner.json").exists():
                raise AssertionError("a test image before the winner is named")
            (RESULTS / "seen").touch()
        return super().forward(images)

def build(width, num_classes, image_size):
    return Guarded(width, num_classes, image_size)
"""


def write_images(folder: Path, *, held_out: bool) -> None:
    """Training images of noise and test images of one colour; without ``test/`` those are what will be held out."""
    rng = np.random.default_rng(0)
    files = {}
    for split in ("train",) if held_out else ("train", "test"):
        for label in ("a", "b"):
            (folder / split / label).mkdir(parents=True)
            for index in range(60):
                pixels = rng.integers(0, 256, (8, 8, 3), np.uint8) if split == "train" else np.full((8, 8, 3), 200)
                files[pixels.tobytes()] = folder / split / label / f"{index}.png"
                save(files[pixels.tobytes()], pixels)
    if held_out:  # which images are is decided by their number and labels alone
        for pixels in read_folder(folder, 8).test.pixels:
            save(files[pixels.tobytes()], np.full((8, 8, 3), 200))


def save(file: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels.astype(np.uint8)).save(file)


@pytest.mark.slow
@pytest.mark.parametrize("held_out", [False, True], ids=["test folder", "held out"])
def test_test_images_reach_no_model_before_the_refit(program, tmp_path: Path, held_out: bool) -> None:
    images, results = tmp_path / "images", program.storage / "guarded"
    write_images(images, held_out=held_out)
    (tmp_path / "guarded_net.py").write_text(MODEL.format(results=str(results)))
    search = (
        "--space",
        str(program.space),
        "--name",
        "guarded",
        "--samples",
        "2",
        "--no-asha",
        "--lr-bounds",
        "0.01",
        "0.1",
    )
    data = ("--data-dir", str(images), "--model", "guarded_net:build", "--set", "batch_size=32")
    program.run(*search, *data, PYTHONPATH=str(tmp_path))
    assert (results / "finalists.json").exists()
    assert (results / "seen").exists()  # so the guard knows a test image when it sees one
    shutil.rmtree(results)
