"""Find a learning rate for your own network, then search for the rest of its recipe, on handwritten digits.

    python examples/own_network.py

A search names the network by ``module:function``. The module is imported wherever a trial runs, from the working
directory, the folder of the script, or an installed package. A network defined in a notebook must be moved to a file.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split

import tune_s11


def build(width: int, num_classes: int, image_size: int) -> nn.Module:
    """Build a small network with group norm, for any ``image_size``.

    Args:
        width: Channels of the first layer.
        num_classes: Length of the output.
        image_size: Height and width of the images.
    """
    del image_size  # the last pooling adapts to any size

    def layer(channels_in: int, channels_out: int) -> list[nn.Module]:
        convolution = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        return [convolution, nn.GroupNorm(4, channels_out), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(
        *layer(3, width),
        *layer(width, 2 * width),
        *layer(2 * width, 4 * width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, num_classes),
    )


def loaders() -> tuple[DataLoader, DataLoader]:
    """Return loaders for the training and validation images, (N, 3, 32, 32) with values in [0, 1]."""
    images, labels = load_digits(return_X_y=True)
    inputs = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    inputs = F.interpolate(inputs, size=32).expand(-1, 3, -1, -1)
    train, validation = random_split(TensorDataset(inputs, torch.tensor(labels)), [0.8, 0.2])
    return DataLoader(train, 64, shuffle=True, drop_last=True), DataLoader(validation, 256)


def main() -> None:
    """Find a rate for your own training loop, then let a search find the recipe."""
    torch.manual_seed(0)
    model = build(width=8, num_classes=10, image_size=32)
    found = tune_s11.lr_range_test(model, *loaders(), F.cross_entropy, epochs=12)
    print(f"peak learning rate {found.lr:.2g}, worth trying {found.low:.2g} to {found.high:.2g}")

    # The S11 network's logits are scaled by 0.125. This network's are not, neither above nor in the search.
    settings = {"model": "own_network:build", "width": 8, "epochs": 12, "logit_scale": 1, "search.samples": 4}
    search = tune_s11.Search("own-network", "quick", settings).run()
    print(search.trials)
    print(f"{search.winner} wins, test accuracy {search.test_accuracy}; {search.report}")


if __name__ == "__main__":
    main()
