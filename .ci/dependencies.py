"""What is installed is what is pinned and, where PyPI can be asked, without a known weakness."""

import importlib.metadata
import json
import re
import subprocess
import sys
import sysconfig
import tomllib
import urllib.request
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
PINNED = dict(pin.split("==") for pin in PROJECT["tool"]["uv"]["constraint-dependencies"])


def installed() -> dict[str, str]:
    """Version by name, in the index's spelling; without the project itself."""
    names = {re.sub(r"[-_.]+", "-", each.name).lower(): each.version for each in importlib.metadata.distributions()}
    return {name: version for name, version in names.items() if name != PROJECT["project"]["name"]}


def can_be_audited() -> bool:
    """Whether PyPI tells of a release's weaknesses; a mirror of its index need not, and an audit would pass it over."""
    try:
        with urllib.request.urlopen(f"https://pypi.org/pypi/ray/{PINNED['ray']}/json", timeout=20) as answer:
            return "vulnerabilities" in json.load(answer)
    except (OSError, ValueError):
        return False


loose = [f"{name} {version}" for name, version in installed().items() if PINNED.get(name) != version]
if loose:
    sys.exit(f"not at the version that pyproject.toml pins: {', '.join(loose)}")
if can_be_audited():
    audit = ["uvx", "pip-audit==2.10.1", "--path", sysconfig.get_path("purelib")]
    sys.exit(subprocess.run(audit, check=False).returncode)
print(f"{len(installed())} packages are what is pinned; PyPI cannot be asked for their known weaknesses")
