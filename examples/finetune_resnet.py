"""Fine-tune torchvision's ResNet-18 with AdamW on your own images, at the learning rate that a range test finds.

    python examples/finetune_resnet.py FOLDER --epochs 6

FOLDER holds train/<class>/ and test/<class>/. A fifth of the training images is held out for validation, to choose the
learning rate; the test images are used once, at the end. If the pretrained weights cannot be downloaded, training
starts from random ones.
"""

import argparse
from pathlib import Path
from urllib.error import URLError

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, random_split
from torchvision.datasets import ImageFolder
from torchvision.models import ResNet18_Weights, resnet18

from tune_s11 import OneCycle, drive, lr_range_test

BATCH = 32
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def build(classes: int) -> nn.Module:
    """Build the network with a new last layer, on the GPU if there is one."""
    try:
        model = resnet18(weights=ResNet18_Weights.DEFAULT)
    except URLError:
        print("no pretrained weights can be fetched: starting from random ones")
        model = resnet18()
    model.fc = nn.Linear(model.fc.in_features, classes)
    return model.to(DEVICE)


def load(folder: Path) -> tuple[DataLoader, DataLoader, DataLoader, list[str]]:
    """Return loaders for the training, validation and test images, and the class names."""
    transform = ResNet18_Weights.DEFAULT.transforms()
    images = ImageFolder(folder / "train", transform)
    train, validation = random_split(images, [0.8, 0.2], torch.Generator().manual_seed(0))
    test = ImageFolder(folder / "test", transform)
    loader = DataLoader(train, BATCH, shuffle=True, drop_last=True)
    return loader, DataLoader(validation, BATCH), DataLoader(test, BATCH), images.classes


def train(model: nn.Module, loader: DataLoader, max_lr: float, epochs: int) -> None:
    """Train for one cycle."""
    optimizer = torch.optim.AdamW(model.parameters())
    cycle = OneCycle(max_lr / 100, max_lr, peak=epochs * 5 / 24, end=epochs)
    scheduler = drive(cycle, optimizer, steps_per_epoch=len(loader))
    model.train()
    for epoch in range(1, epochs + 1):
        for images, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images.to(DEVICE)), labels.to(DEVICE))
            loss.backward()
            optimizer.step()
            scheduler.step()
        print(f"epoch {epoch} of {epochs}: loss of the last batch {loss.item():.3f}")


@torch.inference_mode()
def accuracy(model: nn.Module, loader: DataLoader) -> float:
    """Return the share of images that are classified correctly."""
    model.eval()
    correct = [model(images.to(DEVICE)).argmax(1) == labels.to(DEVICE) for images, labels in loader]
    return float(torch.cat(correct).float().mean())


def main() -> None:
    """Find a rate, train at it, and test the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    loader, validation, test, classes = load(arguments.folder)
    model = build(len(classes))
    found = lr_range_test(model, loader, validation, F.cross_entropy, arguments.epochs, torch.optim.AdamW, (1e-5, 0.1))
    unsure = ", a common value: nothing learned in any cycle" if found.unsure else ""
    print(f"peak learning rate {found.lr:.2g}, worth trying {found.low:.2g} to {found.high:.2g}{unsure}")
    train(model, loader, found.lr, arguments.epochs)
    print(f"validation accuracy {accuracy(model, validation):.3f}, test accuracy {accuracy(model, test):.3f}")


if __name__ == "__main__":
    main()
