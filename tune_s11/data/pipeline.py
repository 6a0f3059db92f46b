"""Albumentations pipelines as an augmentation: the recipe's, the reference for the batched one, or a user's own.

Albumentations takes seconds to import, so it is imported only when a pipeline is built.
"""

import json
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import yaml
from torch import Tensor

from tune_s11.config import InputError, Recipe
from tune_s11.data.dataset import Channels, Pixels
from tune_s11.data.normalisation import normalise

if TYPE_CHECKING:
    from albumentations import BasicTransform, Compose


class AlbumentationsAugmentation:
    """An augmentation that works image by image on the CPU, whatever device the batch is on.

    Args:
        pipeline: Pipeline from uint8 (H, W, 3) to the same shape and type, not normalised.
        name: Name of the pipeline in error messages.
        image_size: Height and width in pixels of the images to expect; the pipeline is tried on one immediately.
        mean: Mean of each channel, where full intensity is 1.
        std: Standard deviation of each channel, where full intensity is 1.

    Raises:
        InputError: The pipeline fails on an image, or returns another shape or type. Each call may raise it too.
    """

    def __init__(self, pipeline: "Compose", name: str, image_size: int, mean: Channels, std: Channels) -> None:
        self.pipeline, self.name = pipeline, name
        self.mean, self.std = mean, std
        self._seed(0)
        self._augment_one(np.zeros((image_size, image_size, 3), np.uint8))

    def __call__(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """See :class:`tune_s11.data.augmentation.Augmentation`."""
        self._seed(int(torch.randint(2**63 - 1, (), generator=generator, device=pixels.device)))
        augmented = np.stack([self._augment_one(image) for image in pixels.cpu().numpy()])
        return normalise(torch.from_numpy(augmented).to(pixels.device), self.mean, self.std)

    def _seed(self, seed: int) -> None:
        # All transforms share one pair of generators. Compose.set_random_seed would give each transform the
        # same seed, and crop, flip and hole would follow from the same numbers.
        self.pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))

    def _augment_one(self, image: Pixels) -> Pixels:
        try:
            augmented = self.pipeline(image=image)["image"]
        except Exception as error:  # a user's transforms may raise anything
            raise InputError(f"augmentation {self.name!r}: fails on an image: {_one_line(error)}") from None
        found = (getattr(augmented, "shape", None), str(getattr(augmented, "dtype", type(augmented).__name__)))
        if found != (image.shape, "uint8"):
            raise InputError(
                f"augmentation {self.name!r}: returns shape {found[0]}, {found[1]}; expected {image.shape}, uint8"
            )
        result: Pixels = augmented
        return result


def recipe_pipeline(recipe: Recipe, mean: Channels) -> "Compose":
    """Build the recipe's padding, crop, flip and cutout; holes get the mean, rounded to whole intensities."""
    import albumentations as A
    import cv2

    transforms: list[BasicTransform] = []
    if recipe.pad:
        border = {"reflect": cv2.BORDER_REFLECT_101, "zero": cv2.BORDER_CONSTANT}[recipe.pad_mode]
        transforms.append(A.Pad(padding=recipe.pad, border_mode=border, fill=0))
        transforms.append(A.RandomCrop(recipe.image_size, recipe.image_size))
    if recipe.flip:
        transforms.append(A.HorizontalFlip(p=0.5))
    if recipe.cutout:
        side = (recipe.cutout, recipe.cutout)
        fill = tuple(round(255 * channel) for channel in mean)
        transforms.append(
            A.CoarseDropout(num_holes_range=(1, 1), hole_height_range=side, hole_width_range=side, fill=fill, p=1)
        )
    return A.Compose(transforms)


def load_pipeline(path: Path) -> "Compose":
    """Load the pipeline, or single transform, that ``albumentations.save`` wrote.

    Args:
        path: File to read: YAML if its name ends in ``.yaml`` or ``.yml``, otherwise JSON.

    Raises:
        InputError: The file holds no pipeline, or one with arguments that Albumentations does not know.
    """
    import albumentations as A

    refused = f"augmentation {str(path)!r}: is not a pipeline saved by albumentations.save"
    try:
        text = path.read_text(encoding="utf-8")
        saved = yaml.safe_load(text) if path.suffix in (".yaml", ".yml") else json.loads(text)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # also about arguments that Albumentations itself has saved
            transform = A.from_dict(saved)
    except Exception as error:  # KeyError, TypeError, ValueError, ..., depending on what is wrong in the file
        raise InputError(f"{refused}: {_one_line(error)}") from None
    if unknown := sorted(set(_dropped(saved, A.to_dict(transform)))):
        raise InputError(f"{refused}: Albumentations {A.__version__} does not know its {', '.join(unknown)}")
    return A.Compose([transform])


def _dropped(saved: Any, kept: Any) -> Iterator[str]:
    """Yield the keys of nested mappings and lists that are no longer there after loading."""
    if isinstance(saved, dict):
        for key, value in saved.items():
            if not isinstance(kept, dict) or key not in kept:
                yield str(key)
            else:
                yield from _dropped(value, kept[key])
    elif isinstance(saved, list) and isinstance(kept, list | tuple):
        for before, after in zip(saved, kept, strict=False):
            yield from _dropped(before, after)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
