"""What Docker sends of the checkout for cluster/Dockerfile, by .dockerignore."""

import subprocess
import sys
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def is_sent(file: str) -> bool:
    """Docker's rule: of the patterns that match a file or a folder above it, the last one counts."""
    parts = file.split("/")
    above = {"/".join(parts[:length]) for length in range(1, len(parts) + 1)}
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if not line or line.startswith("#"):
            continue
        if pattern.startswith("**/"):
            matches = any(fnmatchcase(part, pattern[3:]) for part in parts)
        else:
            matches = any(name.count("/") == pattern.count("/") and fnmatchcase(name, pattern) for name in above)
        if matches:
            sent = line.startswith("!")
    return sent


def tracked() -> list[str]:
    found = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return found.rstrip("\0").split("\0")


def test_nothing_is_sent_that_the_image_does_not_need() -> None:
    sent = {file.partition("/")[0] for file in tracked() if is_sent(file)}
    assert sent == {"LICENSE", "README.md", "pyproject.toml", "search_spaces", "tune_s11"}
    for file in (".git/config", ".venv/bin/python", "results/mine/best/metrics.json", ".env", "uv.lock", "key.pem"):
        assert not is_sent(file)
    assert not is_sent("tune_s11/cli/__pycache__/main.cpython-311.pyc")


@pytest.mark.slow
def test_the_wheel_of_what_is_sent_is_that_of_the_checkout(tmp_path: Path) -> None:
    names = []
    for kind in ("whole", "sent"):
        for file in tracked():
            if kind == "whole" or is_sent(file):
                (tmp_path / kind / file).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / kind / file).write_bytes((ROOT / file).read_bytes())
        build = [
            "uv",
            "build",
            "--quiet",
            "--wheel",
            "--python",
            sys.executable,
            "--out-dir",
            str(tmp_path / f"{kind}-dist"),
        ]
        subprocess.run(build, cwd=tmp_path / kind, check=True)
        (wheel,) = (tmp_path / f"{kind}-dist").glob("*.whl")
        names.append(zipfile.ZipFile(wheel).namelist())
    assert sorted(names[0]) == sorted(names[1])
