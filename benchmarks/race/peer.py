"""Optimizers of other projects as arms, each in its own process and environment, connected by lines of JSON.

A peer sends ``{"params": {...}, "epochs": 4}`` and receives ``{"score": 0.61}``. Training stays on this side, so that
all arms train alike and every epoch is counted. A configuration that was trained before continues where it stopped,
which is cheaper than the restart that some of these projects would make.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.race.lab import Lab, Running
from benchmarks.race.problems import SPACE, defaults

PACKAGES = {
    "priorband": ("neural-pipeline-search==0.17.0",),
    "smac": ("smac==2.4.1",),
    "dehb": ("dehb==0.1.2",),
}
"""Packages that uv installs for each script in ``peers/``."""


def command(name: str) -> list[str]:
    """Return the command of a peer's process."""
    packages = [part for package in PACKAGES[name] for part in ("--with", package)]
    script = Path(__file__).parent / "peers" / f"run_{name}.py"
    return ["uv", "run", "--quiet", "--no-project", "--python", "3.11", *packages, "python", str(script)]


def run_peer(name: str, lab: Lab, defaults_first: bool) -> None:
    """Train what a peer requests until it exits or the budget is spent.

    Args:
        name: One of :data:`PACKAGES`.
        lab: Lab to train in.
        defaults_first: Whether a trial with the recipe's defaults comes before the peer's own trials.

    Raises:
        BudgetSpent: The budget is spent.
        RuntimeError: The peer's process failed.
    """
    if defaults_first:
        lab.start(defaults()).advance(lab.recipe.epochs)
    space = {key: {"low": each.low, "high": each.high, "log": each.log} for key, each in SPACE.items()}
    task = {"space": space, "prior": defaults(), "epochs": lab.recipe.epochs, "seed": lab.repeat}
    called = [*command(name), json.dumps(task)]
    with subprocess.Popen(called, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            _answer(process, lab)
            if process.wait() != 0:
                raise RuntimeError(f"{name}: its process failed with exit code {process.returncode}")
        finally:
            process.kill()


def _answer(process: "subprocess.Popen[str]", lab: Lab) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    known: dict[str, Running] = {}
    for line in process.stdout:
        asked: dict[str, Any] = json.loads(line)
        params = {name: float(f"{asked['params'][name]:.4g}") for name in SPACE}
        key = json.dumps(params)
        if key not in known:
            known[key] = lab.start(params)
        score = known[key].advance(max(1, round(asked["epochs"])))
        process.stdin.write(json.dumps({"score": score}) + "\n")
        process.stdin.flush()
