import copy
from typing import Any

import numpy as np
import pytest
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution

from benchmarks.pruning.recording import LENGTHS, Recording, divide, draw
from tune_s11.config import Recipe
from tune_s11.data import Dataset, Images, load_dataset
from tune_s11.hardware import Hardware
from tune_s11.training.trainer import Trainer, TrainingData

CPU = Hardware(device="cpu", precision="fp32", threads=1)
SMALL = Recipe(
    dataset="digits", train_images=400, val_fraction=0.25, width=2, epochs=4, peak_epoch=1.5, batch_size=32, flip=False
)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset(SMALL)


@pytest.fixture(scope="module")
def material(dataset: Dataset) -> tuple[TrainingData, Images]:
    return divide(dataset, SMALL, apart=100, seed=0)


@pytest.fixture(scope="module")
def recorded(material: tuple[TrainingData, Images]) -> tuple[Recording, dict[str, Any]]:
    recording = Recording(SMALL, *material, CPU, seed=3)
    return recording, recording.run()


def all_bits(trainer: Trainer) -> list[torch.Tensor]:
    momenta = [state["momentum_buffer"] for state in trainer.optimizer.state_dict()["state"].values()]
    return [*trainer.model.state_dict().values(), *trainer.average.model.state_dict().values(), *momenta]


def test_the_images_are_divided_without_the_test_images(
    dataset: Dataset, material: tuple[TrainingData, Images]
) -> None:
    data, apart = material
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(apart)) == (300, 100, 100)
    parts = [{image.tobytes() for image in part.pixels} for part in (data.train, data.validation, apart)]
    assert len(set.union(*parts)) == 500
    assert set.union(*parts) <= {image.tobytes() for image in dataset.train.pixels}
    assert np.bincount(apart.labels).min() >= 9


def test_a_configuration_follows_from_seed_and_number() -> None:
    space = {
        "max_lr": FloatDistribution(0.01, 1.0, log=True),
        "momentum": FloatDistribution(0.8, 0.98),
        "cutout": CategoricalDistribution([0, 8]),
    }
    drawn = [draw(space, 0, number) for number in range(200)]
    assert drawn[7] == draw(space, 0, 7)
    assert drawn[7] != draw(space, 1, 7)
    rates = np.array([config["max_lr"] for config in drawn])
    assert (rates.min() >= 0.01, rates.max() <= 1.0) == (True, True)
    assert 0.4 < (rates < 0.1).mean() < 0.6
    assert all(0.8 <= config["momentum"] <= 0.98 for config in drawn)
    assert {config["cutout"] for config in drawn} == {0, 8}


def test_the_recorded_curve_is_the_trainers_own(
    material: tuple[TrainingData, Images], recorded: tuple[Recording, dict[str, Any]]
) -> None:
    recording, told = recorded
    plain = Trainer(SMALL, material[0], CPU, seed=3)
    metrics = list(plain)
    assert told["curve"]["train_loss"] == [round(m.train_loss or 0.0, 4) for m in metrics]
    assert told["curve"]["raw"] == [round(m.val_accuracy or 0.0, 4) for m in metrics]
    assert told["curve"]["ema"] == [round(m.ema_val_accuracy or 0.0, 4) for m in metrics]
    assert all(torch.equal(a, b) for a, b in zip(all_bits(plain), all_bits(recording.trainer), strict=True))


def test_every_signal_is_recorded(recorded: tuple[Recording, dict[str, Any]]) -> None:
    _, told = recorded
    assert set(told["curve"]) == {"train_loss", "raw", "ema_1/6", "ema", "ema_1", "ema_recomputed"}
    assert {len(values) for values in told["curve"].values()} == {4}
    assert {length: list(at) for length, at in told["probes"].items()} == {
        "1/2": ["2", "3"],
        "1/4": ["3"],
        "1": ["3"],
    }
    assert told["diverged_at"] is None
    assert told["score"]["validation_raw"] == told["curve"]["raw"][-1]
    assert told["score"]["validation_ema"] == told["curve"]["ema"][-1]
    assert {"epoch", "validation", "recompute", "probe_1/4", "probe_1/2", "probe_1", "total"} == set(told["seconds"])


def test_the_final_score_is_of_the_images_apart(
    material: tuple[TrainingData, Images], recorded: tuple[Recording, dict[str, Any]]
) -> None:
    recording, told = recorded
    trainer = recording.trainer
    apart = trainer.on_device(material[1])
    assert told["score"]["ema"] == round(trainer.evaluate(trainer.average.model, apart)[1], 4)
    assert told["score"]["raw"] == round(trainer.evaluate(trainer.model, apart)[1], 4)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_probe_leaves_the_trial_alone(material: tuple[TrainingData, Images], length: str) -> None:
    recording = Recording(SMALL, *material, CPU, seed=0)
    recording.trainer.run_epoch()
    before = [tensor.clone() for tensor in all_bits(recording.trainer)]
    groups = copy.deepcopy(recording.trainer.optimizer.param_groups)
    told = recording.probe(length)
    assert all(torch.equal(a, b) for a, b in zip(before, all_bits(recording.trainer), strict=True))
    assert [group["lr"] for group in recording.trainer.optimizer.param_groups] == [group["lr"] for group in groups]
    assert told == recording.probe(length)


def test_a_probe_anneals_what_the_trial_has_become(material: tuple[TrainingData, Images]) -> None:
    """The same steps by hand: a second trainer brought to the same epoch, then driven at falling rates."""
    recording = Recording(SMALL, *material, CPU, seed=0)
    recording.trainer.run_epoch()
    told = recording.probe("1/2")

    twin = Trainer(SMALL, material[0], CPU, seed=0)
    twin.run_epoch()
    peak = twin.schedule.lr(1.0)
    steps = round(twin.steps_per_epoch / 2)
    for k, (images, labels) in enumerate(twin.batches(1)):
        if k < steps:
            twin.step(images, labels, peak * (steps - k) / steps)
            twin.average.update()
    assert twin.validation is not None
    assert told["raw"] == round(twin.evaluate(twin.model, twin.validation)[1], 4)
    assert told["ema"] == round(twin.evaluate(twin.average.model, twin.validation)[1], 4)


def test_divergence_is_recorded(material: tuple[TrainingData, Images]) -> None:
    wild = SMALL.model_copy(update={"max_lr": 1e30, "min_lr_fraction": 1.0})
    told = Recording(wild, *material, CPU, seed=0).run()
    assert told["score"] is None
    assert told["diverged_at"] == len(told["curve"]["raw"])
    assert told["curve"]["train_loss"][-1] is None
    assert {values[-1] for name, values in told["curve"].items() if name != "train_loss"} == {0.0}
