"""What ``import tune_s11`` hands out, and that it costs nothing before it is used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tune_s11


def test_importing_it_brings_nothing_heavy() -> None:
    heavy = ["torch", "ray", "pandas", "numpy", "pydantic", "typer", "tune_s11.api"]
    program = f"import sys, tune_s11; dir(tune_s11); print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("given", "turns"),
    [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")],
    ids=["default", "given", "another policy"],
)
def test_threads_that_wait_sleep_soon_unless_the_user_has_chosen(given: dict[str, str], turns: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"} | given
    program = "import os, tune_s11; print(os.environ.get('GOMP_SPINCOUNT'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == turns


def test_all_is_there_and_nothing_else() -> None:
    for name in tune_s11.__all__:
        assert getattr(tune_s11, name) is not None
        assert name in dir(tune_s11)
    with pytest.raises(AttributeError, match="module 'tune_s11' has no attribute 'load_worst'"):
        tune_s11.load_worst  # noqa: B018
    assert (Path(tune_s11.__file__).parent / "py.typed").exists()
