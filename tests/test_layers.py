"""The layers: a module imports only from those below it."""

import subprocess
import sys
from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports


def test_layers() -> None:
    assert lint_imports(str(Path(__file__).parents[1] / "pyproject.toml"), no_cache=True) == EXIT_STATUS_SUCCESS


def test_modules_are_short() -> None:
    package = Path(__file__).parents[1] / "tune_s11"
    lines = {file.relative_to(package): len(file.read_text().splitlines()) for file in package.rglob("*.py")}
    assert {file: count for file, count in lines.items() if count > 300} == {}


def test_reading_results_brings_no_heavy_library() -> None:
    heavy = ["torch", "ray", "typer", "rich", "matplotlib", "albumentations"]
    program = f"import sys, tune_s11.results; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_workers_beside_the_trials_import_no_tune() -> None:
    """It takes seconds, in each of them."""
    steps = ", ".join(f"tune_s11.search.steps.{name}" for name in ("lr_range", "finalists", "lengths", "refits"))
    program = f"import sys, {steps}; print('ray.tune' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_every_module_has_tests_of_its_name() -> None:
    root = Path(__file__).parents[1]
    modules = [file.relative_to(root / "tune_s11") for file in (root / "tune_s11").rglob("*.py")]
    named = [file for file in modules if not file.name.startswith("__")]
    assert [str(file) for file in named if not (root / "tests" / file.parent / f"test_{file.name}").exists()] == []
