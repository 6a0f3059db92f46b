"""Measure how long 60,000 PNGs take to load: decoded the first time, and from the cache later.

    uv run python -m benchmarks.speed.decoding [--data-dir DIR]

Without a folder the images are noise, whose files are larger than those of photographs.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from benchmarks.tools.goals import at_most, judged
from tune_s11.cli.app import new_app, run
from tune_s11.cli.options import whole_number

SPLITS = {"train": 50_000, "test": 10_000}
CLASSES = 10
ROUNDS = 5

LOAD = """
import sys, time
from tune_s11.config import Recipe
from tune_s11.data import load_dataset
recipe = Recipe(dataset="folder", data_dir=sys.argv[1])
begun = time.perf_counter()
load_dataset(recipe)
print(time.perf_counter() - begun)
"""
"""Script for a separate process, which has nothing in memory yet."""


def write_noise(folder: Path, images: int) -> None:
    """Write an image folder of ``images`` noise images, in the proportions of CIFAR-10."""
    generator = np.random.default_rng(0)
    for split, share in SPLITS.items():
        for label in range(CLASSES):
            place = folder / split / str(label)
            place.mkdir(parents=True)
            for number in range(images * share // sum(SPLITS.values()) // CLASSES):
                pixels = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{number:05d}.png")


def load(folder: Path, cache: Path) -> float:
    """Return the seconds that a fresh process takes to load the images."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-c", LOAD, str(folder)]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


app = new_app("Time the decoding of an image folder, and the cache.")


@app.command()
def main(
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", exists=True, file_okay=False, help="Image folder (default: noise).")
    ] = None,
    images: Annotated[int, typer.Option("--images", parser=whole_number(60), metavar="N", help="Noise images.")] = sum(
        SPLITS.values()
    ),
) -> None:
    """Print the seconds of the first load and of later ones."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = data_dir or Path(temporary) / "images"
        if data_dir is None:
            write_noise(folder, images)
        first = load(folder, Path(temporary) / "cache")
        later = [load(folder, Path(temporary) / "cache") for _ in range(ROUNDS)]
    print(f"decoded {first:.1f} s; from the cache {median(later):.2f} s ({min(later):.2f} to {max(later):.2f})")
    print(json.dumps(judged({"seconds from the cache": at_most(median(later), 1.0)}) | {"n": ROUNDS}))


if __name__ == "__main__":
    run(app, "benchmarks.speed.decoding")
