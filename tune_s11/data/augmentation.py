"""Random crop, flip and cutout of whole batches, on the device that holds them."""

from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from tune_s11.config import InputError, PadMode, Recipe
from tune_s11.data.dataset import Channels
from tune_s11.data.normalisation import normalise
from tune_s11.data.pipeline import AlbumentationsAugmentation, load_pipeline, recipe_pipeline


class Augmentation(Protocol):
    """A function that turns a batch of pixels into a batch for the network."""

    def __call__(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Augment and normalise a batch.

        Args:
            pixels: Images, uint8 (B, H, W, 3), on any device.
            generator: The only source of randomness, on the same device.

        Returns:
            Images, float32 (B, 3, H, W), on the same device, in channels-last memory format.
        """


class Draws(NamedTuple):
    """Random decisions for the images of a batch, (B,) each."""

    top: Tensor
    """Row of the crop in the padded image, 0 to 2 pad."""
    left: Tensor
    flipped: Tensor
    """1 if the crop is mirrored, otherwise 0."""
    hole_top: Tensor
    """Row of the hole in the finished image."""
    hole_left: Tensor


class BatchedAugmentation:
    """Padding, random crop, horizontal flip and cutout with tensor operations alone.

    Each image gets its own random decisions. No operation makes the host wait for the device.

    Args:
        mean: Mean of each channel, where full intensity is 1; holes are filled with it, which is 0 once normalised.
        std: Standard deviation of each channel, where full intensity is 1.
        pad: Padding in pixels on each side, fewer than the image has; the crop has the size of the image.
        pad_mode: Padding mode, as in the recipe.
        flip: Whether to mirror each image with probability 1/2.
        cutout: Side in pixels of the square hole, which lies wholly inside the image; 0: no hole.
    """

    def __init__(
        self, mean: Channels, std: Channels, *, pad: int, flip: bool, cutout: int, pad_mode: PadMode = "reflect"
    ) -> None:
        self.mean, self.std = mean, std
        self.pad, self.pad_mode, self.flip, self.cutout = pad, pad_mode, flip, cutout

    def __call__(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """See :class:`Augmentation`."""
        return self.apply(pixels, self.draw(pixels, generator))

    def draw(self, pixels: Tensor, generator: torch.Generator) -> Draws:
        """Draw the random decisions for each image of a batch (B, H, W, 3)."""
        batch, height, width, _ = pixels.shape

        def below(bound: int) -> Tensor:
            return torch.randint(bound, (batch,), generator=generator, device=pixels.device)

        offsets = 2 * self.pad + 1
        return Draws(
            top=below(offsets),
            left=below(offsets),
            flipped=below(2 if self.flip else 1),
            hole_top=below(height - self.cutout + 1),
            hole_left=below(width - self.cutout + 1),
        )

    def apply(self, pixels: Tensor, draws: Draws) -> Tensor:
        """Augment and normalise pixels (B, H, W, 3) as drawn, and return images (B, 3, H, W)."""
        batch, height, width, _ = pixels.shape
        device = pixels.device
        row, column = torch.arange(height, device=device), torch.arange(width, device=device)

        # The source of each output row and column. Reflected indices replace the padding, which is never
        # allocated, so that a single gather of whole pixels does the padding, the crop and the flip.
        from_row = row + draws.top[:, None] - self.pad
        seen_column = torch.where(draws.flipped[:, None] == 1, width - 1 - column, column)
        from_column = seen_column + draws.left[:, None] - self.pad
        source_row, source_column = _reflect(from_row, height), _reflect(from_column, width)
        first_row = torch.arange(batch, device=device)[:, None] * height
        source = (first_row + source_row)[:, :, None] * width + source_column[:, None, :]
        cropped = pixels.reshape(-1, 3).index_select(0, source.flatten()).view(pixels.shape)
        if self.pad_mode == "zero":  # black out the padding, which the reflected indices have filled
            outside = (from_row != source_row)[:, :, None] | (from_column != source_column)[:, None, :]
            cropped.masked_fill_(outside[..., None], 0)

        images = normalise(cropped, self.mean, self.std)
        if self.cutout:
            in_rows = _within(row, draws.hole_top, self.cutout)
            in_columns = _within(column, draws.hole_left, self.cutout)
            images.masked_fill_((in_rows[:, :, None] & in_columns[:, None, :])[:, None], 0.0)
        return images


def build_augmentation(recipe: Recipe, mean: Channels, std: Channels) -> Augmentation:
    """Build the augmentation that a recipe names.

    Args:
        recipe: Recipe with ``augmentation``; ``pad``, ``pad_mode``, ``flip`` and ``cutout`` apply unless it is a file.
        mean: Mean of each channel, where full intensity is 1.
        std: Standard deviation of each channel, where full intensity is 1.

    Raises:
        InputError: There is no such augmentation, or the file holds no pipeline for these images.
    """
    name = recipe.augmentation
    if name == "batched":
        return BatchedAugmentation(
            mean, std, pad=recipe.pad, flip=recipe.flip, cutout=recipe.cutout, pad_mode=recipe.pad_mode
        )
    if name == "albumentations":
        pipeline = recipe_pipeline(recipe, mean)
    elif Path(name).is_file():
        pipeline = load_pipeline(Path(name))
    else:
        raise InputError(
            f"augmentation {name!r}: expected batched, albumentations, "
            "or the path of a pipeline saved by albumentations.save"
        )
    return AlbumentationsAugmentation(pipeline, name, recipe.image_size, mean, std)


def _reflect(index: Tensor, size: int) -> Tensor:
    """Mirror indices from 1 - size to 2 size - 2 at the first and last element, into 0 to size - 1."""
    last = size - 1
    return last - (last - index.abs()).abs()


def _within(position: Tensor, start: Tensor, length: int) -> Tensor:
    """Return which positions (P,) lie in each [start, start + length), as bool (B, P) for starts (B,)."""
    return (position >= start[:, None]) & (position < start[:, None] + length)
