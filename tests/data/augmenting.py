"""What the tests of augmentations share."""

import pytest
import torch
from torch import Tensor

from tune_s11.config import InputError, Recipe
from tune_s11.data import build_augmentation

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
SIZE, PAD, HOLE = 32, 4, 8


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_pixels(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=seeded(seed))


def refuse(name: str, problem: str) -> None:
    with pytest.raises(InputError) as raised:
        build_augmentation(Recipe(augmentation=name), MEAN, STD)
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)
