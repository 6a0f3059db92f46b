"""Computes convolutions of small images as matrix products, which is faster than oneDNN on CPUs with AMX.

There, oneDNN convolves images of 4x4 pixels at a third of the speed of a matrix product. On other CPUs, oneDNN is
faster; see benchmarks/speed/README.md.
"""

from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

LARGEST_SIDE = 4
"""Largest side of a small image, in pixels. At 8 pixels, the products gain nothing reliably."""


def use_matrix_products(model: nn.Module) -> None:
    """Make the 3x3 convolutions of a network use matrix products for small images; their weights stay the same.

    Convolutions of another kernel, stride, padding, dilation or number of groups, and subclasses, are left alone.
    """
    for module in model.modules():
        if type(module) is nn.Conv2d and _is_plain(module):
            module.__class__ = SmallConv2d


class SmallConv2d(nn.Conv2d):
    """A 3x3 convolution of padding 1 that is computed as a matrix product if its images are small."""

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, O, H, W)."""
        if images.ndim != 4 or max(images.shape[-2:]) > LARGEST_SIDE or images.dtype == torch.float64:
            return super().forward(images)
        weight, bias = self.weight, self.bias
        if torch.is_autocast_enabled(images.device.type):
            dtype = torch.get_autocast_dtype(images.device.type)
            images, weight, bias = images.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
        convolved = convolve(images, weight)
        return convolved if bias is None else convolved + bias[:, None, None]


def convolve(images: Tensor, weight: Tensor) -> Tensor:
    """Compute ``conv2d(images, weight, padding=1)`` as a matrix product, and both gradients likewise.

    Gradients of gradients and transforms such as ``vmap`` are not supported.

    Args:
        images: (N, C, H, W), fastest in channels-last format.
        weight: (O, C, 3, 3), of the same type.

    Returns:
        (N, O, H, W), in channels-last format.
    """
    # Autograd forbids changing a view in place that a function returns, so the pixels become images out here.
    return _as_images(_Convolve.apply(images, weight), images.shape)


class _Convolve(torch.autograd.Function):
    """The neighbourhoods of all pixels times the weights: rows (N * H * W, O)."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor) -> Tensor:
        neighbourhoods = _neighbourhoods(images)
        ctx.shape = images.shape
        ctx.save_for_backward(neighbourhoods if ctx.needs_input_grad[1] else None, weight)
        return F.linear(neighbourhoods, _as_matrix(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, Tensor | None]:
        neighbourhoods, weight = ctx.saved_tensors
        of_images = of_weight = None
        if ctx.needs_input_grad[0]:  # a convolution, too: with the kernels rotated by half a turn
            rotated = weight.flip(2, 3).transpose(0, 1)
            around = _neighbourhoods(_as_images(upstream, ctx.shape))
            of_images = _as_images(F.linear(around, _as_matrix(rotated)), ctx.shape)
        if ctx.needs_input_grad[1]:
            outputs, channels = weight.shape[:2]
            of_weight = (upstream.t() @ neighbourhoods).view(outputs, 3, 3, channels).permute(0, 3, 1, 2)
        return of_images, of_weight


def _neighbourhoods(images: Tensor) -> Tensor:
    """Return the 3x3 pixels around each pixel of (N, C, H, W) as rows (N * H * W, 9 * C), channels innermost."""
    count, channels, height, width = images.shape
    padded = F.pad(images.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).contiguous()
    of_image, of_row, of_pixel, _ = padded.stride()
    # The three pixels of a neighbourhood's row lie side by side in memory, so they are copied in one piece.
    windows = padded.as_strided((count, height, width, 3, 3 * channels), (of_image, of_row, of_pixel, of_row, 1))
    return windows.reshape(count * height * width, 9 * channels)


def _as_matrix(weight: Tensor) -> Tensor:
    """Return kernels (O, C, 3, 3) as rows (O, 9 * C), in the order of the neighbourhoods."""
    return weight.permute(0, 2, 3, 1).reshape(len(weight), -1)


def _as_images(pixels: Tensor, shape: torch.Size) -> Tensor:
    """Return rows (N * H * W, O) as images (N, O, H, W), in channels-last format; the shape is (N, _, H, W)."""
    count, _, height, width = shape
    return pixels.reshape(count, height, width, pixels.shape[1]).permute(0, 3, 1, 2)


def _is_plain(module: nn.Conv2d) -> bool:
    return (
        module.kernel_size == (3, 3)
        and module.stride == (1, 1)
        and module.padding in ((1, 1), "same")
        and module.dilation == (1, 1)
        and module.groups == 1
        and module.padding_mode == "zeros"
    )
