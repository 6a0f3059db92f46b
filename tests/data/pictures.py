"""Image folders of one grey an image."""

from pathlib import Path

from PIL import Image

from tune_s11.data import Dataset, cache_dir

SIZE = 8


def picture(shade: int, mode: str = "RGB", size: tuple[int, int] = (SIZE, SIZE)) -> Image.Image:
    return Image.new("RGB", size, (shade, shade, shade)).convert(mode)


def shades(dataset: Dataset) -> tuple[list[int], list[int]]:
    return dataset.train.pixels[:, 0, 0, 0].tolist(), dataset.test.pixels[:, 0, 0, 0].tolist()


def entries() -> list[Path]:
    return list((cache_dir() / "folders").iterdir())
