"""``tune-s11`` as a shell has it: its help and its completion."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMPLETE = """
eval "$(tune-s11 --show-completion bash)"
COMP_WORDS=(tune-s11 search --sam) COMP_CWORD=2
_tune_s11_completion tune-s11
echo "${COMPREPLY[@]}"
"""


def test_help_imports_no_heavy_library() -> None:
    """Each of them takes seconds, and a shell asks at every press of TAB."""
    program = """
import sys
sys.argv = ["tune-s11", "--help"]
from tune_s11.cli.main import main
try:
    main()
finally:
    print([name for name in ("torch", "ray", "pandas", "matplotlib", "sklearn", "scipy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Exports the winner to a file." in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_an_option() -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", COMPLETE], capture_output=True, text=True, env=os.environ | {"PATH": path}, check=True
    )
    assert done.stdout == "--samples\n"
