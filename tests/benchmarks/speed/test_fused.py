"""Trials that train as one are the trials that train on their own."""

import numpy as np
import pytest
import torch

from benchmarks.speed.fused import FusedTrials
from benchmarks.speed.noise import MEAN, STD, noise
from tune_s11.config import Recipe
from tune_s11.hardware import Hardware
from tune_s11.training.trainer import Trainer, TrainingData

CPU = Hardware(device="cpu", precision="fp32", threads=2)
DATA = TrainingData(noise(64, 8), None, 10, MEAN, STD)
RECIPE = Recipe(width=2, batch_size=16, image_size=8, pad=1, cutout=2, epochs=4, peak_epoch=1)
DIFFERENT = [
    {"max_lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4},
    {"max_lr": 0.1, "momentum": 0.5, "weight_decay": 0.0},
    {"max_lr": 0.05, "momentum": 0.0, "weight_decay": 1e-2},
]


@pytest.mark.parametrize("nesterov", [True, False])
def test_an_epoch_is_that_of_each_trainer(nesterov: bool) -> None:
    recipes = [RECIPE.model_copy(update=more | {"nesterov": nesterov}) for more in DIFFERENT]
    alone = [Trainer(recipe, DATA, CPU, seed) for seed, recipe in enumerate(recipes)]
    fused = FusedTrials([Trainer(recipe, DATA, CPU, seed) for seed, recipe in enumerate(recipes)])
    figures = fused.run_epoch(0)
    for k, trainer in enumerate(alone):
        epoch = trainer.run_epoch()
        np.testing.assert_allclose(figures[k].tolist(), [epoch.train_loss, epoch.train_accuracy], atol=1e-5)
        for name, value in trainer.model.state_dict().items():
            torch.testing.assert_close((fused.params | fused.buffers)[name][k], value, atol=2e-5, rtol=1e-4)
        model = trainer.average.model
        own = [*model.parameters(), *(each for each in model.buffers() if each.is_floating_point())]
        for average, value in zip(fused.averages, own, strict=True):
            torch.testing.assert_close(average[k], value, atol=2e-5, rtol=1e-4)


def test_a_trial_does_not_depend_on_its_neighbours() -> None:
    def weights(others: list[dict[str, float]]) -> torch.Tensor:
        recipes = [RECIPE.model_copy(update=more) for more in (DIFFERENT[0], *others)]
        fused = FusedTrials([Trainer(recipe, DATA, CPU, seed=0) for recipe in recipes])
        fused.run_epoch(0)
        return fused.params["linear.weight"][0]

    torch.testing.assert_close(weights(DIFFERENT[1:]), weights([{"max_lr": 0.2}, {"max_lr": 0.3}]), atol=1e-5, rtol=0)
