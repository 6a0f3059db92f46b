"""Normalises pixels for the network."""

from functools import lru_cache

import torch
from torch import Tensor

from tune_s11.data.dataset import Channels


def normalise(pixels: Tensor, mean: Channels, std: Channels) -> Tensor:
    """Shift and scale images so that each channel has mean 0 and standard deviation 1.

    Args:
        pixels: Images, uint8 (B, H, W, 3), on any device; the host does not wait for it.
        mean: Mean of each channel, where full intensity is 1.
        std: Standard deviation of each channel, where full intensity is 1.

    Returns:
        Images, float32 (B, 3, H, W), in channels-last memory format.
    """
    scale, shift = _scale_and_shift(mean, std, pixels.device)
    return pixels.float().mul_(scale).add_(shift).permute(0, 3, 1, 2)


def scale_and_shift(mean: Channels, std: Channels) -> tuple[list[float], list[float]]:
    """Return the factor and then the offset, (3,) each, that normalise the byte values of each channel."""
    return [1 / (255 * s) for s in std], [-m / s for m, s in zip(mean, std, strict=True)]


@lru_cache(maxsize=8)  # copied to the device once: a copy makes the host wait
def _scale_and_shift(mean: Channels, std: Channels, device: torch.device) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):  # the first call may come from an evaluation, a later one from training
        scale, shift = scale_and_shift(mean, std)
        return torch.tensor(scale, device=device), torch.tensor(shift, device=device)
