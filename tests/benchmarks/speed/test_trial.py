"""Every side trains what it says it does, and ratios are taken within a round."""

import pytest
import torch

from benchmarks.speed.trial import (
    MEAN,
    RATIOS,
    STD,
    Bare,
    Usual,
    albumentations_transform,
    compare,
    noise,
    share_of_augmentation,
    sides,
    take_turns,
    torchvision_transform,
)
from tune_s11.config import Recipe
from tune_s11.hardware import Hardware
from tune_s11.training.trainer import Trainer, TrainingData

RECIPE = Recipe(width=4, batch_size=16, epochs=1000, max_lr=1e-3)
CPU = Hardware(device="cpu", precision="fp32", threads=1)


def test_sides_take_turns() -> None:
    rates = take_turns(sides(RECIPE, CPU, {"steps": 2, "usual_steps": 2}), rounds=2)
    assert all(len(values) == 2 and min(values) > 0 for values in rates.values())
    assert {side for pair in RATIOS.values() for side in pair} == rates.keys() | {"compiled"}


def test_ratios_are_taken_within_a_round() -> None:
    rates = {"bare": [10.0, 100.0], "trainer": [9.0, 80.0], "validating": [5.0, 50.0]}
    ratios = compare(rates | {"Albumentations": [1.0, 10.0], "torchvision v2": [2.0, 20.0]})
    assert ratios["trainer / bare"] == [0.9, 0.8]
    assert ratios["trainer / Albumentations"] == [9.0, 8.0]


def test_the_first_round_does_not_count_and_each_begins_with_another_side() -> None:
    order: list[str] = []
    measures = {name: lambda name=name: float(order.append(name) or len(order)) for name in "ab"}
    assert take_turns(measures, rounds=1) == {"a": [4.0], "b": [3.0]}
    assert order == ["a", "b", "b", "a"]


@pytest.mark.parametrize("transform", [albumentations_transform, torchvision_transform])
def test_the_usual_way_gives_the_network_what_the_recipe_says(transform) -> None:  # type: ignore[no-untyped-def]
    side = Usual(RECIPE, CPU, 3, transform(RECIPE))
    images, labels = next(iter(side._loader))
    assert (images.shape, images.dtype, labels.shape) == ((16, 3, 32, 32), torch.float32, (16,))
    assert abs(float(images.mean())) < 0.3  # normalised; noise is brighter than photographs
    holes = (images == images.flatten(2).mode(2).values[..., None, None]).flatten(1).sum(1)
    assert (holes >= 3 * 64).all()  # of one value in each channel


def test_every_side_learns() -> None:
    """Each side changes its weights: none measures a step that does nothing."""
    for side in (Bare(RECIPE, CPU, 2), Usual(RECIPE, CPU, 2, torchvision_transform(RECIPE))):
        model = side._trainer.model if isinstance(side, Bare) else side._model
        before = model.linear.weight.clone()
        side()
        assert not torch.equal(model.linear.weight, before)


def test_augmentation_is_a_share_of_a_step() -> None:
    data = TrainingData(noise(16), None, 10, MEAN, STD)
    assert 0 < share_of_augmentation(Trainer(RECIPE, data, CPU, 0), steps=3) < 1
