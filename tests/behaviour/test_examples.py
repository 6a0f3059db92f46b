"""The scripts in examples/ run as their first lines say, and the notebook in a kernel."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image
from sklearn.datasets import load_digits

EXAMPLES = Path(__file__).parents[2] / "examples"


def write_images(folder: Path, train: int, test: int) -> Path:
    """Write ones, fours and sevens, so many of each."""
    images, labels = load_digits(return_X_y=True)
    for label in (1, 4, 7):
        for number, image in enumerate(images[labels == label][: train + test]):
            path = folder / ("train" if number < train else "test") / str(label) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((255 * image.reshape(8, 8) / 16).astype(np.uint8)).resize((64, 64)).save(path)
    return folder


@pytest.mark.slow
def test_a_resnet_is_fine_tuned_at_the_rate_that_is_found(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", train=20, test=5)
    nowhere = {"https_proxy": "http://127.0.0.1:9", "TORCH_HOME": str(tmp_path / "torch")}  # no weights are fetched
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "finetune_resnet.py"), str(folder), "--epochs", "3"],
        **{"capture_output": True, "text": True, "timeout": 600, "check": False},
        env=os.environ | nowhere,
    )
    assert done.returncode == 0, done.stderr
    assert "no pretrained weights can be fetched: starting from random ones\n" in done.stdout
    assert re.search(r"^peak learning rate \S+, worth trying \S+ to [0-9.e-]+", done.stdout, re.MULTILINE)
    assert re.search(r"^validation accuracy [01]\.\d{3}, test accuracy [01]\.\d{3}$", done.stdout, re.MULTILINE)


def run(script: str, *arguments: str, cwd: Path) -> str:
    """Run an example in an empty folder; return what it prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *arguments],
        **{"capture_output": True, "text": True, "timeout": 580, "check": False, "cwd": cwd},
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_network_of_ones_own_is_searched(tmp_path: Path) -> None:
    said = run("own_network.py", cwd=tmp_path)
    assert re.search(r"^peak learning rate \S+, worth trying \S+ to [0-9.e-]+$", said, re.MULTILINE)
    assert re.search(r"^t000\d wins, test accuracy 0\.\d+.*index\.html$", said, re.MULTILINE)
    assert (tmp_path / "results" / "own-network" / "report" / "index.html").exists()


@pytest.mark.slow
def test_images_of_ones_own_are_searched_and_classified(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", train=40, test=5)
    image = folder / "test" / "4" / "40.png"
    said = run(*("own_data.py", str(folder), "--image", str(image), "--epochs", "8", "--samples", "2"), cwd=tmp_path)
    assert re.search(r"^t000\d wins, test accuracy [01]\.\d+", said, re.MULTILINE)
    assert re.search(r"^40\.png: [147], probability [01]\.\d{3}$", said, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_notebook_runs_and_its_progress_is_one_output(tmp_path: Path) -> None:
    notebook = nbformat.read(EXAMPLES / "from_range_test_to_grad_cam.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    execute(notebook, tmp_path)
    text = {cell.source: "".join(map(shown, cell.outputs)) for cell in code}
    assert "\x1b" not in "".join(text.values())
    (searched,) = (cell for cell in code if "tune_s11.Search(" in cell.source)
    # A line for each thing that happens, and the panel, which is empty at the end.
    assert len(searched.outputs) < 30
    assert sum(not shown(output).strip() for output in searched.outputs) == 1
    assert "best trials" in text[searched.source]
    pictures = [cell for cell in code if any("image/png" in output.get("data", {}) for output in cell.outputs)]
    assert len(pictures) == 3  # the range test's cycles, the trials, the heat maps
    assert re.fullmatch(r"\('\d', [01]\.\d+\)", text[code[-1].source])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_notebook_that_the_document_describes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing but a folder of images and what docs/python.md says."""
    document = (EXAMPLES.parent / "docs" / "python.md").read_text()
    section = document.partition("## In a notebook")[2].partition("\n## ")[0]
    cells = [new_code_cell(source) for source in re.findall(r"```python\n(.*?)```", section, re.DOTALL)]
    write_images(tmp_path / "images", train=40, test=0)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")  # as in an activated environment
    execute(new_notebook(cells=cells), tmp_path)
    rate, trials, report, predicted, exported = (shown(cell.outputs[-1]) for cell in cells)
    assert "LRRange(" in rate
    assert "t0003" in trials
    assert "</html>" in report
    assert predicted in {"'1'", "'4'", "'7'"}
    assert (tmp_path / "results" / "mine" / "best" / "export" / "model.safetensors").exists(), exported


def execute(notebook: nbformat.NotebookNode, cwd: Path) -> None:
    """Run all cells in a kernel."""
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": cwd}}).execute()


def shown(output: nbformat.NotebookNode) -> str:
    """The text of one output of a cell: what a browser shows of it, or what is printed."""
    data = output.get("data", {})
    return str(output.get("text") or data.get("text/html") or data.get("text/plain", ""))
