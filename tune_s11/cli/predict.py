"""Classifies images with the winner of a search: ``tune-s11 predict``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from tune_s11.cli.options import RESULTS, ModelOption, StorageOption
from tune_s11.config import InputError
from tune_s11.text import printable

if TYPE_CHECKING:  # torch takes seconds to import, and neither --help nor shell completion needs it
    import torch

    from tune_s11.winner import Classifier

BATCH = 256
"""Images that are decoded and classified at a time."""


def predict(
    name: Annotated[str, typer.Argument(metavar="SEARCH", help="Name or path, or an exported .safetensors file.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Files, or folders of images.")],
    storage: StorageOption = RESULTS,
    model: ModelOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with every class's probability.")] = False,
) -> None:
    """Classifies images with the winner. Prints the likeliest class of each image and its probability."""
    from tune_s11.winner import load_best

    paths = list(_files(images))
    classifier = load_best(name, storage, model)
    # Classify all images before printing, so that a file that is not an image leaves no partial output.
    rows = [
        _row(path, classifier, probabilities)
        for path, probabilities in zip(paths, _probabilities(classifier, paths), strict=True)
    ]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(f"{printable(row['image'])}  {printable(row['class'])}  {row['probability']:.4f}")


def _row(path: Path, classifier: "Classifier", probabilities: "torch.Tensor") -> dict[str, Any]:
    likeliest = int(probabilities.argmax())
    return {
        "image": str(path),
        "class": classifier.classes[likeliest],
        "probability": float(probabilities[likeliest]),
        "probabilities": dict(zip(classifier.classes, probabilities.tolist(), strict=True)),
    }


def _files(images: list[Path]) -> Iterator[Path]:
    from tune_s11.data.listing import walk_images

    for path in images:
        if not path.is_dir():
            yield path
            continue
        try:
            found = walk_images(path)
        except OSError as error:
            raise InputError(f"{str(error.filename)!r}: cannot be read: {error.strerror}") from None
        if not found:
            raise InputError(f"{str(path)!r}: holds no images")
        yield from found


def _probabilities(classifier: "Classifier", paths: list[Path]) -> "Iterator[torch.Tensor]":
    """Yield the class probabilities, (K,), of each image."""
    import torch

    from tune_s11.data.decoding import decode

    classifier.to("cuda" if torch.cuda.is_available() else "cpu")
    for start in range(0, len(paths), BATCH):
        batch = paths[start : start + BATCH]
        pixels = np.stack([decode(str(path), classifier.image_size)[0] for path in batch])
        with torch.inference_mode():
            yield from classifier.of_pixels(pixels).cpu()
