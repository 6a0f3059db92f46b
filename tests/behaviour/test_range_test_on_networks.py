"""The range test on networks unlike the one that the program ships: it refuses none of them."""

import functools

import pytest

from tune_s11.config import Recipe, SearchSettings
from tune_s11.data import load_dataset
from tune_s11.hardware import Hardware
from tune_s11.lr_range.cycles import Cycle
from tune_s11.lr_range.measuring import train_cycle
from tune_s11.lr_range.rule import ask, recommend
from tune_s11.training.trainer import TrainingData

CPU = Hardware(device="cpu", precision="fp32", threads=1)
NETWORKS = {
    "without normalisation": "benchmarks.lr_range.networks:mlp",
    "group norm": "benchmarks.race.networks:group_norm",
    "attention": "benchmarks.race.networks:transformer",
}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_the_first_rate_trains_a_network_that_is_unlike_the_programs(network: str) -> None:
    recipe = Recipe(
        model=network,
        **{"dataset": "digits", "image_size": 8, "train_images": 600, "val_fraction": 0.25, "width": 8},
        **{"batch_size": 16, "epochs": 12, "peak_epoch": 3.0, "pad": 1, "cutout": 0, "flip": False, "logit_scale": 1.0},
    )
    data = TrainingData.with_validation(load_dataset(recipe), recipe, seed=0)
    assert data.validation is not None
    question = ask(recipe, SearchSettings(lr_range_trials=1), data.validation.labels)
    train = functools.cache(functools.partial(train_cycle, recipe, data, CPU))
    answer = recommend(question, lambda cycles: {cycle: train(cycle) for cycle in cycles})
    assert 1e-4 < answer.low < answer.first < answer.high < 10
    assert not answer.unsure
    trained = train(Cycle(2, answer.first, 1)).accuracy
    assert trained is not None
    assert trained > 0.2
