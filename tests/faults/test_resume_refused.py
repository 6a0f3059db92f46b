"""What a search does not resume with: another Ray, another recipe, fewer trials; nothing newer than itself is read."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tune_s11.cli.main import main, run_search
from tune_s11.config import InputError
from tune_s11.data import load_dataset
from tune_s11.results import SearchFolder
from tune_s11.results.manifest import SCHEMA_VERSION, build_manifest
from tune_s11.search.resume_checks import check_same_search
from tune_s11.search_space import load_space, spaces_folder

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search of two trials that has been killed after it began."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "results" / "mine"
    config = load_space("quick")
    for number in range(2):
        folder = path / "trials" / f"t{number:04d}"
        folder.mkdir(parents=True)
        (folder / "params.json").write_text(json.dumps({"params": {"max_lr": 0.1}, "seed": number}))
    (path / "search.yaml").write_text(config.to_yaml())
    manifest = build_manifest(load_dataset(config.recipe), config.search.seed) | {"search": config.plain()}
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


def change(file: Path, how: Change) -> None:
    plain = yaml.safe_load(file.read_text())  # JSON is YAML
    how(plain)
    file.write_text(json.dumps(plain))


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], main: Callable[[], None], *arguments: str
) -> str:
    monkeypatch.setattr(sys, "argv", ["program", *arguments])
    with pytest.raises(SystemExit) as exit:
        main()
    out, err = capsys.readouterr()
    assert exit.value.code == 2, err
    assert (out, err.count("\n")) == ("", 1)
    return err


@pytest.mark.parametrize(
    ("file", "how", "words"),
    [
        ("manifest.json", lambda it: it["packages"].update(ray="2.9.3"), ["Ray 2.9.3", "pip install ray==2.9.3"]),
        ("search.yaml", lambda it: it["recipe"].update(epochs=16), ["recipe.epochs: 16", "started with 12", "--space"]),
        ("search.yaml", lambda it: it["space"].pop("momentum"), ["space.momentum: None", "started with {'uniform'"]),
        ("search.yaml", lambda it: it["space"].update(pad={"choice": [1]}), ["space.pad", "started with None"]),
        ("search.yaml", lambda it: it["search"].update(grace=2), ["search.grace: 2", "started with 4"]),
        ("manifest.json", lambda it: it["data"].update(fingerprint="other"), ["other images", "fingerprint other"]),
        ("manifest.json", lambda it: it.update(schema_version=SCHEMA_VERSION + 1), ["schema_version", "at most"]),
    ],
    ids=["ray", "recipe", "less space", "more space", "settings", "images", "newer"],
)
def test_resume_is_refused(
    search: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    how: Change,
    words: list[str],
) -> None:
    change(search / file, how)
    before = {path: path.read_bytes() for path in search.rglob("*") if path.is_file()}
    line = refused(monkeypatch, capsys, run_search, "--resume", "mine", "--workers", "1")
    for word in words:
        assert word in line
    assert {path: path.read_bytes() for path in search.rglob("*") if path.is_file()} == before


def test_a_manifest_from_before_a_field_existed_means_its_default(search: Path) -> None:
    config, folder = load_space("quick"), SearchFolder(search)
    change(folder.manifest, lambda it: [it["search"][part].clear() for part in ("recipe", "search")])
    with pytest.raises(InputError, match=r"recipe.dataset: digits: the search started with cifar10"):
        check_same_search(folder, config, json.loads(folder.manifest.read_text()))
    for part in ("recipe", "search"):
        stated = yaml.safe_load((spaces_folder() / "quick.yaml").read_text())[part]
        change(folder.manifest, lambda it, part=part, stated=stated: it["search"].update({part: stated}))
    check_same_search(folder, config, json.loads(folder.manifest.read_text()))


def test_resume_with_fewer_trials_than_have_begun(
    search: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused(monkeypatch, capsys, run_search, "--resume", "mine", "--samples", "1")
    assert "--samples 1: 2 trials have started; expected 2 or more" in line


@pytest.mark.parametrize(
    "command",
    [
        "report best mine",
        "report compare mine run",
        "report compare run mine",
        "train --trial mine/t0000",
        "train --resume run",
    ],
)
def test_no_reader_takes_what_is_newer(
    search: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    newer = json.loads((search / "manifest.json").read_text()) | {"schema_version": SCHEMA_VERSION + 1}
    (search / "manifest.json").write_text(json.dumps(newer))
    run = {"recipe": load_space("quick").recipe.model_dump(), "seed": 0, "split_seed": 0, "manifest": newer}
    (search.parent / "run").mkdir()
    (search.parent / "run" / "run.json").write_text(json.dumps(run))
    line = refused(monkeypatch, capsys, main, *command.split())
    assert f"schema_version {SCHEMA_VERSION + 1}: must be at most {SCHEMA_VERSION}" in line
