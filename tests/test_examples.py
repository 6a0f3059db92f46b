"""The scripts in examples/ run as their first lines say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ones, fours and sevens: 20 of each to train on, 5 to test on."""
    images, labels = load_digits(return_X_y=True)
    for label in (1, 4, 7):
        for number, image in enumerate(images[labels == label][:25]):
            path = tmp_path / ("train" if number < 20 else "test") / str(label) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((255 * image.reshape(8, 8) / 16).astype(np.uint8)).resize((64, 64)).save(path)
    return tmp_path


@pytest.mark.slow
def test_a_resnet_is_fine_tuned_at_the_rate_that_is_found(folder: Path, tmp_path: Path) -> None:
    nowhere = {"https_proxy": "http://127.0.0.1:9", "TORCH_HOME": str(tmp_path / "torch")}  # no weights are fetched
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "finetune_resnet.py"), str(folder), "--epochs", "3"],
        **{"capture_output": True, "text": True, "timeout": 600, "check": False},
        env=os.environ | nowhere,
    )
    assert done.returncode == 0, done.stderr
    assert "no pretrained weights can be fetched: starting from random ones\n" in done.stdout
    assert re.search(r"^peak learning rate \S+, worth trying \S+ to [0-9.e-]+", done.stdout, re.MULTILINE)
    assert re.search(r"^validation accuracy [01]\.\d{3}, test accuracy [01]\.\d{3}$", done.stdout, re.MULTILINE)
