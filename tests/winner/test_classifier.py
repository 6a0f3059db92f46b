"""The winner as a module: what it takes, and that it computes what the trainer does."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image

from tune_s11.config import Recipe
from tune_s11.data import Dataset, Images
from tune_s11.hardware import Hardware
from tune_s11.training.trainer import Trainer, TrainingData
from tune_s11.winner import Classifier, Logits

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 16, 16, 3), np.uint8)
PIXELS[..., 2] //= 4  # channels of means and deviations of their own


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    images = Images(PIXELS, np.arange(40) % 3)
    dataset = Dataset(("a", "b", "c"), images, images)
    data = TrainingData(images, None, 3, dataset.mean, dataset.std)
    recipe = Recipe(width=4, image_size=16, batch_size=20, epochs=2, peak_epoch=1)
    trainer = Trainer(recipe, data, Hardware(device="cpu", precision="fp32", threads=1), seed=0)
    for _ in trainer:
        pass
    return trainer


@pytest.fixture(scope="module")
def classifier(trainer: Trainer) -> Classifier:
    logits = Logits(trainer.average.model, trainer.mean, trainer.std, trainer.recipe.logit_scale)
    return Classifier(logits, ["a", "b", "c"], 16)


def test_logits_and_probabilities_are_the_trainers(trainer: Trainer, classifier: Classifier) -> None:
    expected = trainer.predict(trainer.average.model, torch.from_numpy(PIXELS))
    images = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
    with torch.inference_mode():
        torch.testing.assert_close(classifier.logits(images), expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(classifier(images), expected.softmax(1), rtol=0, atol=1e-6)
        torch.testing.assert_close(classifier.of_pixels(PIXELS), expected.softmax(1), rtol=0, atol=1e-6)
    assert not classifier.training


def test_pillow_images_are_prepared_as_the_training_images_were(classifier: Classifier) -> None:
    opened = [Image.fromarray(pixels) for pixels in PIXELS[:3]]
    with torch.inference_mode():
        expected = classifier.of_pixels(PIXELS[:3])
        torch.testing.assert_close(classifier(opened), expected)
        torch.testing.assert_close(classifier(tuple(opened)), expected)
        torch.testing.assert_close(classifier(opened[0]), expected[:1], rtol=0, atol=1e-6)
        grey = opened[0].convert("L").resize((40, 23))
        prepared = np.asarray(grey.convert("RGB").resize((16, 16), Image.Resampling.BILINEAR))
        torch.testing.assert_close(classifier(grey), classifier.of_pixels(prepared[None]))


def test_images_follow_the_classifier_to_its_device(classifier: Classifier) -> None:
    elsewhere = copy.deepcopy(classifier).to("meta")  # a device that every machine has
    tensor = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
    for images in (tensor, Image.fromarray(PIXELS[0])):
        assert elsewhere(images).device.type == "meta"
    assert elsewhere.of_pixels(PIXELS).device.type == "meta"


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        (torch.zeros(2, 3, 16, 16), r"must be uint8 \(N, 3, 16, 16\) \(got float32 \(2, 3, 16, 16\)\)"),
        (torch.zeros((3, 16, 16), dtype=torch.uint8), r"got uint8 \(3, 16, 16\)"),
        (torch.zeros((2, 16, 16, 3), dtype=torch.uint8), r"got uint8 \(2, 16, 16, 3\)"),
        (["a.png"], "must be a uint8 tensor, a Pillow image or a list of Pillow images"),
        ([], "must hold at least one image"),
    ],
)
def test_anything_else_is_refused(classifier: Classifier, images: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        classifier(images)
