"""Every side trains what it says it does, and ratios are taken within a round."""

import pytest
import torch

from benchmarks.speed.noise import MEAN, STD, noise
from benchmarks.speed.trial import RATIOS, Bare, compare, main, share_of_augmentation, sides, take_turns
from tune_s11.config import InputError, Recipe
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
    ratios = compare(rates | {"Albumentations": [1.0, 10.0]})
    assert ratios["trainer / bare"] == [0.9, 0.8]
    assert ratios["trainer / Albumentations"] == [9.0, 8.0]


def test_the_first_round_does_not_count_and_each_begins_with_another_side() -> None:
    order: list[str] = []
    measures = {name: lambda name=name: float(order.append(name) or len(order)) for name in "ab"}
    assert take_turns(measures, rounds=1) == {"a": [4.0], "b": [3.0]}
    assert order == ["a", "b", "b", "a"]


def test_the_bare_loop_learns() -> None:
    side = Bare(RECIPE, CPU, 2)
    before = side.trainer.model.linear.weight.clone()
    side()
    assert not torch.equal(side.trainer.model.linear.weight, before)


@pytest.mark.parametrize("width", [7, 0])
def test_a_width_without_a_length_is_refused(width: int) -> None:
    with pytest.raises(InputError, match=f"--width {width}: must be one of 64, 16"):
        main(rounds=1, widths=[width])


def test_augmentation_is_a_share_of_a_step() -> None:
    data = TrainingData(noise(16), None, 10, MEAN, STD)
    assert 0 < share_of_augmentation(Trainer(RECIPE, data, CPU, 0), steps=3) < 1
