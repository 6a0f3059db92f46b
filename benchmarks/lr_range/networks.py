"""Named networks of the range test's benchmark, in addition to those of the race.

Each is built like a user's own network: ``build(width, num_classes, image_size)``.
"""

import torch.nn as nn


def vgg(width: int, num_classes: int, image_size: int) -> nn.Module:
    """Build a VGG: three pairs of convolutions with batch norm, and two linear layers at the end.

    Args:
        width: Channels of the first pair; the later ones have 2 and 4 times as many.
        num_classes: Number of logits per image.
        image_size: Height and width in pixels, a multiple of 8.
    """
    layers: list[nn.Module] = []
    channels = 3
    for stage in range(3):
        for _ in range(2):
            layers += [nn.Conv2d(channels, width * 2**stage, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(width * 2**stage), nn.ReLU(inplace=True)]
            channels = width * 2**stage
        layers.append(nn.MaxPool2d(2))
    features = channels * (image_size // 8) ** 2
    head = [nn.Flatten(), nn.Linear(features, 4 * width), nn.ReLU(inplace=True), nn.Linear(4 * width, num_classes)]
    return nn.Sequential(*layers, *head)


def mlp(width: int, num_classes: int, image_size: int) -> nn.Module:
    """Build a multilayer perceptron with two hidden layers and no normalisation.

    Args:
        width: Units of a hidden layer divided by 16.
        num_classes: Number of logits per image.
        image_size: Height and width in pixels.
    """
    hidden = 16 * width
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(3 * image_size**2, hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, num_classes),
    )


def depthwise(width: int, num_classes: int, image_size: int) -> nn.Module:
    """Build a network of depthwise separable convolutions with batch norm, after MobileNet (arXiv:1704.04861).

    Args:
        width: Channels of the stem; each of the three blocks doubles them.
        num_classes: Number of logits per image.
        image_size: Height and width in pixels, a multiple of 8.
    """
    blocks = [_separable(width * 2**stage, width * 2 ** (stage + 1)) for stage in range(3)]
    stem = [nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8 * width, num_classes))


def _separable(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_in, 3, stride=2, padding=1, groups=channels_in, bias=False),
        nn.BatchNorm2d(channels_in),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels_in, channels_out, 1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )
