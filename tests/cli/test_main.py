"""``tune-s11`` as a shell has it: its completion."""

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


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_an_option() -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", COMPLETE], capture_output=True, text=True, env=os.environ | {"PATH": path}, check=True
    )
    assert done.stdout == "--samples\n"
