"""The S11 ResNet: the nine-layer residual network of DAWNBench's CIFAR-10 entries.

It follows David C. Page, "How to Train Your ResNet" (davidcpage/cifar10-fast), with the max pool
before the batch norm.
"""

import torch.nn as nn
from torch import Tensor


def conv_block(channels_in: int, channels_out: int, *, pool: bool = False) -> nn.Sequential:
    """Build a block: conv 3x3 without bias, max pool 2x2 if requested, batch norm, ReLU."""
    layers: list[nn.Module] = [nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)]
    if pool:
        layers.append(nn.MaxPool2d(2))
    layers += [nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class ResidualLayer(nn.Module):
    """A layer that halves the image to h and returns h + R(h), where R is two more blocks."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.down = conv_block(channels_in, channels_out, pool=True)
        self.residual = nn.Sequential(conv_block(channels_out, channels_out), conv_block(channels_out, channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels_in, H, W) to (N, channels_out, H / 2, W / 2)."""
        h = self.down(x)
        out: Tensor = h + self.residual(h)
        return out


class S11ResNet(nn.Module):
    """The S11 network: prep, three halving layers (the first and third residual), global max pool, linear.

    It has 6,573,130 parameters at width 64 with ten classes.

    Args:
        width: Channels after ``prep``; the layers have 2, 4 and 8 times as many.
        num_classes: Number of classes, and of logits per image.
        image_size: Height and width in pixels, a multiple of 8.
    """

    gradcam_layer = "layer3"
    """Layer whose output Grad-CAM uses: the last feature maps before the global max pool."""

    def __init__(self, width: int = 64, num_classes: int = 10, image_size: int = 32) -> None:
        super().__init__()
        if image_size % 8:
            raise ValueError(f"image_size {image_size}: must be a multiple of 8")
        self.prep = conv_block(3, width)
        self.layer1 = ResidualLayer(width, 2 * width)
        self.layer2 = conv_block(2 * width, 4 * width, pool=True)
        self.layer3 = ResidualLayer(4 * width, 8 * width)
        self.pool = nn.MaxPool2d(image_size // 8)
        self.linear = nn.Linear(8 * width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalised images (N, 3, image_size, image_size) to logits (N, num_classes)."""
        x = self.layer3(self.layer2(self.layer1(self.prep(images))))
        logits: Tensor = self.linear(self.pool(x).flatten(1))
        return logits
