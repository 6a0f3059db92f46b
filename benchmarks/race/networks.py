"""Networks of the race other than S11, for the ``model`` of a recipe, e.g. ``benchmarks.race.networks:plain``.

Each is built like a user's own network: ``build(width, num_classes, image_size)``. All end in an average over the
image, so their initial logits are small.
"""

import torch
import torch.nn as nn
from torch import Tensor


def plain(width: int, num_classes: int, image_size: int) -> nn.Module:
    """Build a convolutional network without any normalisation: six convolutions, and three poolings by 2.

    The convolutions have the initial weights of He et al. With PyTorch's own, the signal dies away through six layers,
    and none of the first configurations learned anything in twelve epochs of 853 images.

    Args:
        width: Channels of the first pair of convolutions; the later pairs have 2 and 4 times as many.
        num_classes: Number of logits per image.
        image_size: Height and width in pixels, a multiple of 8.
    """
    _check_multiple(image_size, 8)
    layers: list[nn.Module] = []
    channels = 3
    for stage in range(3):
        for _ in range(2):
            conv = nn.Conv2d(channels, width * 2**stage, 3, padding=1)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]  # It has one.
            layers += [conv, nn.ReLU(inplace=True)]
            channels = width * 2**stage
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))


def group_norm(width: int, num_classes: int, image_size: int) -> nn.Module:
    """Build a residual network with group norm: a stem that halves the image, and three stages of one block each.

    The stem has a stride so that a trial on CIFAR-10 takes seconds of one core rather than minutes.

    Args:
        width: Channels of the stem and the first stage, a multiple of 4; the later stages have 2 and 4 times as many.
        num_classes: Number of logits per image.
        image_size: Height and width in pixels, a multiple of 8.
    """
    _check_multiple(image_size, 8)
    return nn.Sequential(
        nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False),
        _norm(width),
        nn.ReLU(inplace=True),
        ResidualBlock(width, width, stride=1),
        ResidualBlock(width, 2 * width, stride=2),
        ResidualBlock(2 * width, 4 * width, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, num_classes),
    )


def transformer(width: int, num_classes: int, image_size: int) -> nn.Module:
    """Build a vision transformer: 8 x 8 patches, two layers with layer norm in front, an average over the patches.

    Args:
        width: Channels of a patch, a multiple of 4 because there are four heads.
        num_classes: Number of logits per image.
        image_size: Height and width in pixels, a multiple of 8.
    """
    _check_multiple(image_size, 8)
    return VisionTransformer(width, num_classes, (image_size // 8) ** 2)


def recurrent(width: int, num_classes: int, image_size: int) -> nn.Module:
    """Build a recurrent network that reads the image row by row: two layers of gated units, an average over the rows.

    Args:
        width: Units of a layer.
        num_classes: Number of logits per image.
        image_size: Height and width in pixels.
    """
    return RowReader(width, num_classes, image_size)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions added to a 1 x 1 convolution of the input, each with group norm."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False),
            _norm(channels_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
            _norm(channels_out),
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False), _norm(channels_out)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels_in, H, W) to (N, channels_out, H / stride, W / stride)."""
        return torch.relu(self.shortcut(x) + self.residual(x))


class VisionTransformer(nn.Module):
    """Patches with learnt positions, two transformer layers, layer norm, an average and a linear layer."""

    def __init__(self, width: int, num_classes: int, patches: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, 8, stride=8)
        self.positions = nn.Parameter(0.02 * torch.randn(1, patches, width))
        layer = [
            nn.TransformerEncoderLayer(
                width, nhead=4, dim_feedforward=2 * width, dropout=0.0, batch_first=True, norm_first=True
            )
            for _ in range(2)
        ]
        self.layers = nn.Sequential(*layer)
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images (N, 3, H, W) to logits (N, num_classes)."""
        tokens = self.embed(images).flatten(2).transpose(1, 2) + self.positions
        logits: Tensor = self.linear(self.norm(self.layers(tokens)).mean(1))
        return logits


class RowReader(nn.Module):
    """Two layers of gated recurrent units over the rows of the image, an average over the rows and a linear layer."""

    def __init__(self, width: int, num_classes: int, image_size: int) -> None:
        super().__init__()
        self.read = nn.GRU(3 * image_size, width, num_layers=2, batch_first=True)
        self.linear = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images (N, 3, H, W) to logits (N, num_classes)."""
        rows, _ = self.read(images.transpose(1, 2).flatten(2))
        logits: Tensor = self.linear(rows.mean(1))
        return logits


class GroupNorm(nn.GroupNorm):
    """Group norm computed in NCHW, because PyTorch takes ten times as long in bf16 and channels last on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape, channels last."""
        return super().forward(x.contiguous()).contiguous(memory_format=torch.channels_last)


def _norm(channels: int) -> nn.GroupNorm:
    return GroupNorm(channels // 4, channels)


def _check_multiple(image_size: int, of: int) -> None:
    if image_size % of:
        raise ValueError(f"image_size {image_size}: must be a multiple of {of}")
