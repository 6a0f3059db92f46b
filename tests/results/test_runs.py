"""Single runs on disk: ``run.json``."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tune_s11.config import InputError, Recipe
from tune_s11.data import Dataset, Images
from tune_s11.hardware import Hardware
from tune_s11.results.folder import SingleRunFolder
from tune_s11.results.runs import Run, RunOptions, load_run

RUN = Run(
    Recipe(max_lr=0.25),
    3,
    1,
    Hardware(device="cpu", precision="bf16", threads=2),
    RunOptions(test=True, target_line=0.9),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    images = Images(np.zeros((2, 8, 8, 3), np.uint8), np.arange(2))
    RUN.write(SingleRunFolder(tmp_path / "a"), Dataset(("cat", "dog"), images, images))
    return tmp_path / "a"


def edit(path: Path, **changes: Any) -> None:
    record = json.loads((path / "run.json").read_text()) | changes
    (path / "run.json").write_text(json.dumps({key: value for key, value in record.items() if value is not None}))


def test_what_is_written_is_read(path: Path) -> None:
    result = load_run(path, "a")
    assert (result.path, result.run, result.rows, result.finished) == (path, RUN, [], False)
    assert result.manifest["data"]["classes"] == ["cat", "dog"]


def test_of_two_runs_that_start_at_once_one_needs_another_name(path: Path) -> None:
    images = Images(np.zeros((2, 8, 8, 3), np.uint8), np.arange(2))
    with pytest.raises(InputError, match=f"^--name a: another run has just started in {path}; expected a new name$"):
        RUN.write(SingleRunFolder(path), Dataset(("cat", "dog"), images, images))


def test_a_run_of_before_has_no_options(path: Path) -> None:
    edit(path, options=None)
    assert load_run(path, "a").run.options == RunOptions(test=False, target_line=None)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seed": "x"}, "run.json is missing or damaged"),
        ({"manifest": None}, "run.json is missing or damaged"),
        ({"manifest": []}, "run.json is missing or damaged"),
        ({"manifest": {"schema_version": 99}}, "schema_version 99"),
        ({"options": {"target_line": 90}}, "options.target_line: 90: "),
        ({"options": []}, "options"),
        ({"recipe": {"width": 0}}, "recipe.width: 0: "),
    ],
)
def test_what_cannot_be_read_is_one_line(path: Path, changes: dict[str, Any], says: str) -> None:
    edit(path, **changes)
    with pytest.raises(InputError, match=r"^--resume a: ") as error:
        load_run(path, "--resume a")
    assert says in str(error.value)
