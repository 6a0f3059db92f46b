"""What the documents promise: links lead somewhere, and each command of the README's table gives its picture."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tune_s11.config import Recipe
from tune_s11.data import build_augmentation

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "search_spaces/README.md", "cluster/README.md"]
DOCUMENTS += [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]

PROGRAMS = {
    "python": [sys.executable],
    "tune-s11": [sys.executable, "-c", "from tune_s11.cli.main import main; main()"],
}
SMALL = [
    *("dataset=digits", "image_size=8", "width=4", "pad=1", "cutout=2", "flip=false", "epochs=3", "peak_epoch=1"),
    *("batch_size=64", "val_fraction=0.2", "search.lr_range_steps=40", "search.lr_range_seeds=2"),
    "search.lr_range_trials=1",
]
OF_SEARCH = ["search.samples=2", "search.grace=1", "search.finalists=0", "search.refit_seeds=1"]


class Row(NamedTuple):
    """One row of the README's table."""

    asked: str
    command: str
    pictures: list[str]


def table() -> list[Row]:
    text = (ROOT / "README.md").read_text()
    lines = re.search(r"\| asked for \|.*?\n\|[-|]+\|\n(.*?)\n\n", text, re.DOTALL)
    assert lines is not None
    cells = [line.strip("|").split(" | ") for line in lines[1].splitlines()]
    return [Row(asked.strip(), command.strip("` "), re.findall("`(.*?)`", shown)) for asked, command, shown, _ in cells]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    file = ROOT / document
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", file.read_text())
    assert [link for link in links if "://" not in link and not (file.parent / link).exists()] == []


def test_every_picture_of_the_documents_is_shown_somewhere() -> None:
    text = "".join((ROOT / document).read_text() for document in DOCUMENTS)
    assert [path.name for path in (ROOT / "docs").glob("*.png") if f"{path.name})" not in text] == []


def small(command: list[str]) -> list[str]:
    """A command of the table as it runs here: the same programs and options, on digits and in seconds."""
    program, *rest = command
    line = [*PROGRAMS[program], *rest]
    trains = {"tune_s11.train", "lr", "run_search.py"} & set(rest[:2])
    settings = (
        SMALL + (OF_SEARCH if "run_search.py" in rest else []) if trains and "tune_s11.report" not in rest else []
    )
    return [str(ROOT / word) if word == "run_search.py" else word for word in line] + [
        word for setting in settings for word in ("--set", setting)
    ]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_each_row_of_the_table_gives_its_pictures(tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    rows = table()
    assert len(rows) >= 8
    for row in rows:
        for picture in row.pictures:  # drawn by an earlier row, it would prove nothing
            (tmp_path / picture).unlink(missing_ok=True)
        for command in row.command.split(" && "):
            line = small(shlex.split(command))
            done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=900)
            assert done.returncode == 0, f"{row.asked}: {command}\n{done.stdout}{done.stderr}"
        assert row.pictures, row.asked
        for picture in row.pictures:
            assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG"), f"{row.asked}: {picture}"


def test_a_pipeline_of_ones_own_is_saved_and_read_as_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = re.search(r"```python\n(.*?)```", (ROOT / "search_spaces" / "README.md").read_text(), re.DOTALL)
    assert code is not None
    exec(code[1], {})
    recipe = Recipe(augmentation="my_pipeline.json", image_size=32)
    augmentation = build_augmentation(recipe, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert type(augmentation).__name__ == "AlbumentationsAugmentation"
