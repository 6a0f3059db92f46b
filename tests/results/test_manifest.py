"""The circumstances of a result, and what a resume compares them with."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tune_s11 import __version__
from tune_s11.config import InputError
from tune_s11.data import Dataset, Images
from tune_s11.results import manifest as manifest_module
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


def test_the_commit_is_that_of_the_program_not_of_a_project_that_has_it_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def git(*command: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", str(tmp_path), *identity, *command], check=True, capture_output=True)

    git("init")
    (tmp_path / "own.py").touch()
    git("add", "own.py")
    git("commit", "-m", "theirs")
    installed = tmp_path / "manifest.py"
    installed.touch()
    monkeypatch.setattr(manifest_module, "__file__", str(installed))
    assert build_manifest(dataset(1), seed=7)["git_commit"] is None
    git("add", "manifest.py")
    git("commit", "-m", "ours")
    commit = build_manifest(dataset(1), seed=7)["git_commit"]
    assert commit is not None
    assert len(commit) == 40
    installed.write_text("1")
    assert build_manifest(dataset(1), seed=7)["git_commit"] == f"{commit}-dirty"


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
