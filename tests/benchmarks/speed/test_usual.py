"""The usual way trains the recipe's network on the recipe's images, tuned or not."""

import pytest
import torch

from benchmarks.speed.usual import Usual, albumentations_transform, torchvision_transform
from tune_s11.config import Recipe
from tune_s11.hardware import Hardware

RECIPE = Recipe(width=4, batch_size=16, epochs=1000, max_lr=1e-3)
CPU = Hardware(device="cpu", precision="fp32", threads=1)


@pytest.mark.parametrize("transform", [albumentations_transform, torchvision_transform])
def test_the_network_gets_what_the_recipe_says(transform) -> None:  # type: ignore[no-untyped-def]
    side = Usual(RECIPE, CPU, 3, transform(RECIPE))
    images, labels = next(iter(side._loader))
    assert (images.shape, images.dtype, labels.shape) == ((16, 3, 32, 32), torch.float32, (16,))
    assert abs(float(images.mean())) < 0.3  # normalised; noise is brighter than photographs
    holes = (images == images.flatten(2).mode(2).values[..., None, None]).flatten(1).sum(1)
    assert (holes >= 3 * 64).all()  # of one value in each channel


@pytest.mark.parametrize("tuned", [False, True])
def test_it_learns_in_the_precision_and_format_of_the_tuned(tuned: bool) -> None:
    hardware = CPU.model_copy(update={"precision": "bf16"})
    side = Usual(RECIPE, hardware, 2, torchvision_transform(RECIPE), tuned=tuned)
    seen = []
    side._model.layer3.register_forward_hook(lambda _module, _given, output: seen.append(output))
    before = side._model.linear.weight.clone()
    assert side() > 0
    assert not torch.equal(side._model.linear.weight, before)
    assert {output.dtype for output in seen} == {torch.bfloat16 if tuned else torch.float32}
    assert all(output.is_contiguous(memory_format=torch.channels_last) for output in seen) == tuned
