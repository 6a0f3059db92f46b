"""Six held-out networks: no rule is designed with them in view, and they are measured once, afterwards.

They differ from the named networks in what is thought to matter to the learning rate: saturating units, pre-activation,
dense connections, token mixing, large kernels with layer norm, instance norm with gates.
"""

import torch
import torch.nn as nn
from torch import Tensor

from benchmarks.race.networks import GroupNorm


def saturating(width: int, num_classes: int, image_size: int) -> nn.Module:
    """Build a network after LeNet-5: tanh, average pooling, no normalisation.

    Args:
        width: Channels of the first convolution; the second has twice as many.
        num_classes: Number of logits per image.
        image_size: Height and width in pixels, a multiple of 4.
    """
    features = 2 * width * (image_size // 4) ** 2
    return nn.Sequential(
        nn.Conv2d(3, width, 5, padding=2),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(width, 2 * width, 5, padding=2),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(features, 8 * width),
        nn.Tanh(),
        nn.Linear(8 * width, num_classes),
    )


def pre_activation(width: int, num_classes: int, image_size: int) -> nn.Module:
    """Build a residual network whose batch norm and ReLU come before its convolutions (arXiv:1603.05027).

    Args:
        width: Channels of the stem; each of the three blocks except the first doubles them.
        num_classes: Number of logits per image.
        image_size: Height and width in pixels, a multiple of 8.
    """
    stages = [(width, width, 2), (width, 2 * width, 2), (2 * width, 4 * width, 2)]
    blocks = [PreActivation(*stage) for stage in stages]
    end = [nn.BatchNorm2d(4 * width), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1, bias=False), *blocks, *end, nn.Linear(4 * width, num_classes)
    )


def dense(width: int, num_classes: int, image_size: int) -> nn.Module:
    """Build two densely connected blocks of three convolutions with batch norm (arXiv:1608.06993).

    Args:
        width: Channels that each convolution adds.
        num_classes: Number of logits per image.
        image_size: Height and width in pixels, a multiple of 8.
    """
    layers: list[nn.Module] = [nn.Conv2d(3, 2 * width, 3, stride=2, padding=1, bias=False)]
    channels = 2 * width
    for _ in range(2):
        for _ in range(3):
            layers.append(DenseLayer(channels, width))
            channels += width
        layers.append(nn.AvgPool2d(2))
    layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(channels, num_classes))


def mixer(width: int, num_classes: int, image_size: int) -> nn.Module:
    """Build an MLP-Mixer (arXiv:2105.01601): 8 x 8 patches, two layers with layer norm.

    Args:
        width: Channels of a patch.
        num_classes: Number of logits per image.
        image_size: Height and width in pixels, a multiple of 8.
    """
    patches = (image_size // 8) ** 2
    return Mixer(width, patches, num_classes)


def large_kernels(width: int, num_classes: int, image_size: int) -> nn.Module:
    """Build a small ConvNeXt (arXiv:2201.03545): 4 x 4 patches, three blocks of 7 x 7 depthwise convolutions.

    Args:
        width: Number of channels.
        num_classes: Number of logits per image.
        image_size: Height and width in pixels, a multiple of 4.
    """
    stem = [nn.Conv2d(3, width, 4, stride=4), GroupNorm(1, width)]
    blocks = [LargeKernel(width) for _ in range(3)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))


def gated(width: int, num_classes: int, image_size: int) -> nn.Module:
    """Build convolutions with instance norm and squeeze-and-excitation gates (arXiv:1709.01507).

    Args:
        width: Channels of the first convolution; the later two have 2 and 4 times as many.
        num_classes: Number of logits per image.
        image_size: Height and width in pixels, a multiple of 8.
    """
    blocks = [Gated(3 if stage == 0 else width * 2 ** (stage - 1), width * 2**stage) for stage in range(3)]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, num_classes))


class PreActivation(nn.Module):
    """BN ReLU conv BN ReLU conv, added to a 1 x 1 convolution of the input."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.BatchNorm2d(channels_in),
            nn.ReLU(),
            nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
        )
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels_in, H, W) to (N, channels_out, H / stride, W / stride)."""
        out: Tensor = self.shortcut(x) + self.residual(x)
        return out


class DenseLayer(nn.Module):
    """BN ReLU conv, whose output is appended to its input."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        conv = nn.Conv2d(channels, growth, 3, padding=1, bias=False)
        self.layers = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), conv)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C + growth, H, W)."""
        return torch.cat([x, self.layers(x)], 1)


class Mixer(nn.Module):
    """Patches, two mixing layers, layer norm, an average and a linear layer."""

    def __init__(self, width: int, patches: int, num_classes: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, 8, stride=8)
        self.layers = nn.Sequential(*(MixerLayer(width, patches) for _ in range(2)))
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images (N, 3, H, W) to logits (N, num_classes)."""
        tokens = self.embed(images).flatten(2).transpose(1, 2)
        logits: Tensor = self.linear(self.norm(self.layers(tokens)).mean(1))
        return logits


class MixerLayer(nn.Module):
    """A layer that mixes patches and then channels, each after layer norm and added to its input."""

    def __init__(self, width: int, patches: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.patches = nn.Sequential(nn.Linear(patches, 2 * patches), nn.GELU(), nn.Linear(2 * patches, patches))
        self.channels = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, patches, width) to the same shape."""
        x = x + self.patches(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        out: Tensor = x + self.channels(self.norms[1](x))
        return out


class LargeKernel(nn.Module):
    """7 x 7 depthwise convolution, layer norm, two 1 x 1 convolutions with GELU, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 7, padding=3, groups=width),
            GroupNorm(1, width),
            nn.Conv2d(width, 4 * width, 1),
            nn.GELU(),
            nn.Conv2d(4 * width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        out: Tensor = x + self.layers(x)
        return out


class Gated(nn.Module):
    """Convolution that halves the image, instance norm, ReLU, and a gate on each channel."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False)
        self.norm = nn.InstanceNorm2d(channels_out, affine=True)
        squeezed = max(4, channels_out // 4)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels_out, squeezed, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(squeezed, channels_out, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels_in, H, W) to (N, channels_out, H / 2, W / 2)."""
        h = torch.relu(self.norm(self.conv(x).contiguous()))
        out: Tensor = h * self.gate(h)
        return out
