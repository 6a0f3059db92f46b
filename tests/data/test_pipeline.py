"""A user's own Albumentations pipeline."""

import json
from pathlib import Path

import pytest
import torch

from tests.data.augmenting import MEAN, SIZE, STD, random_pixels, refuse, seeded
from tune_s11.config import InputError, Recipe
from tune_s11.data import build_augmentation, normalise


def save(path: Path, pipeline: object) -> str:
    import albumentations as A

    A.save(pipeline, path, data_format="yaml" if path.suffix == ".yaml" else "json")
    return str(path)


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_saved_pipeline_or_single_transform_is_applied(tmp_path: Path, suffix: str) -> None:
    import albumentations as A

    pixels = random_pixels(3, SIZE, SIZE, 3)
    for number, pipeline in enumerate((A.Compose([A.HorizontalFlip(p=1)]), A.HorizontalFlip(p=1))):
        name = save(tmp_path / f"{number}{suffix}", pipeline)
        augment = build_augmentation(Recipe(augmentation=name), MEAN, STD)
        assert torch.equal(augment(pixels, seeded(0)), normalise(pixels.flip(2), MEAN, STD))


def test_transforms_that_warn_of_what_they_have_saved_themselves_are_loaded(tmp_path: Path) -> None:
    import albumentations as A

    for number, transform in enumerate((A.PadIfNeeded(40, 40), A.RGBShift(p=0))):
        name = save(tmp_path / f"{number}.json", A.Compose([transform, A.RandomCrop(SIZE, SIZE)]))
        augment = build_augmentation(Recipe(augmentation=name), MEAN, STD)
        assert augment(random_pixels(2, SIZE, SIZE, 3), seeded(0)).shape == (2, 3, SIZE, SIZE)


def test_an_unknown_argument_is_named_however_deep_it_is(tmp_path: Path) -> None:
    flip = {"__class_fullname__": "HorizontalFlip", "p": 1, "angle": 3}
    compose = {"__class_fullname__": "Compose", "p": 1, "transforms": [flip]}
    (tmp_path / "a.json").write_text(json.dumps({"transform": compose}))
    refuse(str(tmp_path / "a.json"), "does not know its angle")


def test_pipelines_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    import albumentations as A

    refuse(save(tmp_path / "shape.json", A.RandomCrop(16, 16)), "shape (16, 16, 3), uint8; expected (32, 32, 3)")
    refuse(save(tmp_path / "type.json", A.Normalize()), "shape (32, 32, 3), float32; expected (32, 32, 3), uint8")
    refuse(save(tmp_path / "large.json", A.RandomCrop(64, 64)), "fails on an image: CropSizeError")


def test_a_pipeline_that_fails_only_now_and_then_is_named(tmp_path: Path) -> None:
    import albumentations as A

    name = save(tmp_path / "a.json", A.RandomCrop(16, 16, p=0.02))
    augment = build_augmentation(Recipe(augmentation=name), MEAN, STD)
    with pytest.raises(InputError, match="expected "):
        augment(random_pixels(1000, SIZE, SIZE, 3), seeded(0))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("broken.json", "{"),
        ("empty.json", ""),
        ("binary.json", "\udcff\udcfe"),
        ("list.json", "[1, 2]"),
        ("other.json", '{"a": 1}'),
        ("text.yaml", "a: [b"),
        ("unknown.json", '{"transform": {"__class_fullname__": "NoSuchTransform", "p": 1}}'),
        ("argument.json", '{"transform": {"__class_fullname__": "HorizontalFlip", "p": 1, "angle": 3}}'),
        ("value.json", '{"transform": {"__class_fullname__": "HorizontalFlip", "p": 7}}'),
    ],
)
def test_files_that_hold_no_pipeline_are_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    refuse(str(tmp_path / name), "is not a pipeline saved by albumentations.save")
