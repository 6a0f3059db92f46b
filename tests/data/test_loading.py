"""The three sources of images, as a recipe names them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tune_s11.config import InputError, Recipe
from tune_s11.data import load_dataset

# --- digits


def test_digits() -> None:
    dataset = load_dataset(Recipe(dataset="digits"))
    assert dataset.classes == tuple("0123456789")
    assert dataset.train.pixels.shape == (1437, 32, 32, 3)
    assert dataset.test.pixels.shape == (360, 32, 32, 3)
    assert dataset.notes == ("1,797 images resized from 8x8 to 32x32",)
    assert dataset.train.pixels.dtype == np.uint8
    assert dataset.train.labels.dtype == np.int64
    assert (dataset.train.pixels == dataset.train.pixels[..., :1]).all()
    assert (abs(np.bincount(dataset.test.labels) - 36) <= 1).all()
    assert load_dataset(Recipe(dataset="digits")).fingerprint == dataset.fingerprint


def test_digits_at_their_own_size_use_the_full_range() -> None:
    dataset = load_dataset(Recipe(dataset="digits", image_size=8, pad=1, cutout=2))
    assert dataset.notes == ()
    assert sorted(set(dataset.train.pixels.ravel().tolist())) == [round(step * 255 / 16) for step in range(17)]
    assert min(dataset.std) > 0


@pytest.mark.parametrize(("dataset", "data_dir"), [("digits", "."), ("cifar10", "."), ("cifar10", "list.csv")])
def test_own_images_are_not_ignored(tmp_path: Path, dataset: str, data_dir: str) -> None:
    (tmp_path / "train" / "cat").mkdir(parents=True)
    recipe = Recipe.model_validate({"dataset": dataset, "data_dir": str(tmp_path / data_dir)})
    with pytest.raises(
        InputError, match=rf"^data_dir .*: is not read with dataset {dataset}; expected dataset folder$"
    ):
        load_dataset(recipe)
    assert [entry.name for entry in tmp_path.iterdir()] == ["train"]


# --- CIFAR-10


def fake_cifar10(monkeypatch: pytest.MonkeyPatch, problem: Exception | None) -> list[tuple[Path, bool]]:
    """Puts a small stand-in for torchvision's class; returns the list of its calls."""
    calls: list[tuple[Path, bool]] = []
    present = False

    def make(root: Path, train: bool, download: bool) -> Any:
        nonlocal present
        calls.append((root, download))
        if download and problem is not None:
            raise problem
        present = present or download
        if not present:
            raise RuntimeError("Dataset not found or corrupted.")
        data = np.full((20 if train else 10, 3, 32, 32), 7, np.uint8).transpose(0, 2, 3, 1)
        return SimpleNamespace(data=data, targets=[0, 1] * (len(data) // 2), classes=["airplane", "automobile"])

    monkeypatch.setattr("torchvision.datasets.CIFAR10", make)
    return calls


def test_cifar10_is_downloaded_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = fake_cifar10(monkeypatch, None)
    recipe = Recipe(data_dir=str(tmp_path / "new"))
    dataset = load_dataset(recipe)
    assert calls == [(tmp_path / "new", False), (tmp_path / "new", True), (tmp_path / "new", True)]
    assert dataset.classes == ("airplane", "automobile")
    assert (dataset.train.pixels.shape, dataset.test.pixels.shape) == ((20, 32, 32, 3), (10, 32, 32, 3))
    assert dataset.train.pixels.flags.c_contiguous
    assert dataset.train.labels.dtype == np.int64
    calls.clear()
    load_dataset(recipe)
    assert calls == [(tmp_path / "new", False)] * 2


def test_cifar10_goes_into_the_cache_and_takes_any_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = fake_cifar10(monkeypatch, None)
    dataset = load_dataset(Recipe(image_size=16))
    assert calls[0][0] == tmp_path / "tune_s11"
    assert dataset.train.pixels.shape == (20, 16, 16, 3)
    assert dataset.notes == ("30 images resized from 32x32 to 16x16",)


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (OSError("<urlopen error [Errno -3]\nName resolution>"), "(<urlopen error [Errno -3] Name resolution>)"),
        (RuntimeError("File not found or corrupted."), "(File not found or corrupted.)"),
        (EOFError(), "(EOFError)"),
        (ValueError("x" * 999), "x" * 100 + ")"),
    ],
)
def test_a_download_that_fails_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, problem: Exception, reason: str
) -> None:
    fake_cifar10(monkeypatch, problem)
    with pytest.raises(InputError) as raised:
        load_dataset(Recipe(data_dir=str(tmp_path)))
    message = str(raised.value)
    assert message.startswith(f"dataset cifar10: cannot be downloaded into {str(tmp_path)!r}")
    assert reason in message
    assert "--data-dir" in message
    assert "--space quick" in message
    assert "\n" not in message


# --- a folder


def test_folder(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("RGB", (16, 16), (9, 9, 9)).save(tmp_path / split / name / "0.png")
    dataset = load_dataset(Recipe(dataset="folder", data_dir=str(tmp_path)))
    assert dataset.train.pixels.shape == (2, 32, 32, 3)
    assert dataset.notes == ("4 images resized to 32x32",)
