"""The circumstances of a result, and what a resume compares them with."""

import json
import sys

import numpy as np
import pytest

from tune_s11 import __version__
from tune_s11.config import InputError
from tune_s11.data import Dataset, Images
from tune_s11.results.manifest import SCHEMA_VERSION, build_manifest, check_same_images, check_schema


def dataset(value: int) -> Dataset:
    images = Images(np.full((4, 8, 8, 3), value, np.uint8), np.array([0, 1, 0, 1]))
    return Dataset(("cat", "dog"), images, images)


def test_a_manifest_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/run_search.py", "--name", "two words"])
    manifest = json.loads(json.dumps(build_manifest(dataset(1), seed=7)))
    assert manifest["command"] == "run_search.py --name 'two words'"
    assert (manifest["seed"], manifest["tune_s11"], manifest["schema_version"]) == (7, __version__, SCHEMA_VERSION)
    assert manifest["data"]["classes"] == ["cat", "dog"]
    assert manifest["machine"]["cores"] >= 1
    assert set(manifest["packages"]) >= {"torch", "ray", "optuna"}


def test_other_images_are_refused() -> None:
    manifest = build_manifest(dataset(1), seed=0)
    check_same_images("mine", dataset(1), manifest)
    with pytest.raises(InputError, match=r"^mine: started on other images"):
        check_same_images("mine", dataset(2), manifest)


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, "1"])
def test_a_later_schema_is_refused(version: object) -> None:
    check_schema({}, "mine")
    check_schema({"schema_version": SCHEMA_VERSION}, "mine")
    with pytest.raises(InputError, match=rf"^mine: schema_version {version!r}: must be at most {SCHEMA_VERSION}"):
        check_schema({"schema_version": version}, "mine")
