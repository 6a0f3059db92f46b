"""Images are decoded once and then come out of the cache."""

from pathlib import Path

from benchmarks.speed.decoding import load, write_noise
from tune_s11.config import Recipe
from tune_s11.data import load_dataset


def test_noise_is_an_image_folder_that_is_cached(tmp_path: Path) -> None:
    write_noise(tmp_path / "images", 120)
    dataset = load_dataset(Recipe(dataset="folder", data_dir=str(tmp_path / "images")))
    assert (len(dataset.train), len(dataset.test), len(dataset.classes)) == (100, 20, 10)
    assert load(tmp_path / "images", tmp_path / "cache") > 0
    assert any((tmp_path / "cache").rglob("*"))
