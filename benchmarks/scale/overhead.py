"""Measure what a search costs beyond its training: between trials, in total, and before the first step.

    uv run python -m benchmarks.scale.overhead

The searches are real ones on handwritten digits, without pruning. They differ in the length of their trials, and in
whether workers are kept from trial to trial.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from unittest.mock import patch

from ray import tune
from rich.console import Console

from benchmarks.tools.goals import at_least, at_most, judged
from tune_s11.cli.app import new_app, run
from tune_s11.results import SearchResult, TrialResult, load_search
from tune_s11.results.folder import LAYOUT
from tune_s11.search.session import Session
from tune_s11.search.workers.cluster import Resources
from tune_s11.search_space import load_space
from tune_s11.storage.workspace import Local

ROOT = Path(__file__).parents[2]
WORKERS = 2
EACH = 10
"""Number of trials per worker."""

LONG, SHORT = 20, 1
"""Epochs of a long trial, which takes about ten seconds, and of the shortest possible one."""


def settings(epochs: int, samples: int) -> dict[str, str]:
    """Return the settings of a search without pruning and with a single refit."""
    return {
        **{"width": "8", "epochs": str(epochs), "peak_epoch": str(epochs / 2)},
        **{"search.scheduler": "none", "search.samples": str(samples), "search.refit_seeds": "1"},
    }


@contextmanager
def fresh_actors() -> Iterator[None]:
    """Make Tune start a new worker for each trial, as it does by default."""
    with patch.object(tune, "TuneConfig", lambda **chosen: Config(**{**chosen, "reuse_actors": False})):
        yield


Config = tune.TuneConfig


def search(folder: Path, name: str, epochs: int, samples: int) -> SearchResult:
    """Run a search in this process to completion."""
    config = load_space("quick").with_overrides(settings(epochs, samples)).with_lr_bounds(0.05, 0.5)
    workspace = Local((folder / name).resolve(), LAYOUT)
    session = Session(workspace, config.checked_for_search(), "auto", "off", Console(quiet=True))
    return session.run(Resources(gpus=0, workers=WORKERS))


def trained(trial: TrialResult) -> float:
    """Return the seconds of the trial's epochs, including validation."""
    return float(sum(row.seconds for row in trial.rows))


def span(path: Path, trial: TrialResult) -> tuple[float, float]:
    """Return when the trial's training started and finished, as the driver saw it; Ray's own times are whole seconds.

    Time that the trial spent on reports between epochs counts as time before its start.
    """
    end = (path / "trials" / trial.name / "result.json").stat().st_mtime
    return end - trained(trial), end


def turnovers(found: SearchResult) -> list[float]:
    """Return the seconds between one trial's last epoch and the next one's first on the same slot of the search.

    With fresh actors each trial has its own worker, so slots are inferred from the order: a trial takes the slot that
    became free first.
    """
    spans = sorted(map(partial(span, found.path), found.trials))
    free = [end for _, end in spans[:WORKERS]]
    gaps = []
    for begin, end in spans[WORKERS:]:
        before = min(free)
        gaps.append(begin - before)
        free[free.index(before)] = end
    return gaps


def ratio(found: SearchResult) -> float:
    """Return the wall time from first to last epoch over the time that the epochs take in parallel without gaps."""
    begins, ends = zip(*(span(found.path, trial) for trial in found.trials), strict=True)
    return float((max(ends) - min(begins)) / (sum(map(trained, found.trials)) / WORKERS))


def cold_start(folder: Path) -> dict[str, float]:
    """Return the seconds of each phase between starting ``run_search.py`` and the first step of the first trial."""
    path = folder / "cold"
    command = [sys.executable, str(ROOT / "run_search.py"), "--space", "quick", "--storage", str(folder)]
    options = [part for key, value in settings(LONG, WORKERS).items() for part in ("--set", f"{key}={value}")]
    begun = time.time()
    subprocess.run(
        [*command, *options, "--name", "cold", "--lr-bounds", "0.05", "0.5", "--no-report"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    first = load_search("cold", folder).trials[0]
    moments = [
        begun,
        (path / "manifest.json").stat().st_mtime,
        (path / "trials" / first.name / "params.json").stat().st_mtime,
        span(path, first)[0],
    ]
    parts = ("program and Ray", "Tune and its first actor", "trainer and data")
    return {part: after - before for part, (before, after) in zip(parts, pairwise(moments), strict=True)}


def importing(module: str) -> float:
    """Return the seconds that a fresh Python takes to import a module."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - begun


def tell(name: str, values: list[float], unit: str = "s") -> None:
    print(
        f"{name:44}{median(values):8.2f} {unit}  ({min(values):.2f} to {max(values):.2f}, n = {len(values)})",
        flush=True,
    )


app = new_app("Measure what a search costs beyond its training.")


@app.command()
def main() -> None:
    """Print the searches' overhead, the turnover between trials, and the parts of a cold start."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        long = search(folder, "long", LONG, WORKERS * EACH)
        trials = [trained(trial) for trial in long.trials]
        tell("training of a trial", trials)
        overall, between = ratio(long), turnovers(long)
        print(f"{'wall time over training time / workers':44}{overall:8.3f}")
        tell("between two trials, workers kept", between)
        short = search(folder, "short", SHORT, WORKERS * EACH)
        with fresh_actors():
            fresh = search(folder, "fresh", SHORT, WORKERS * EACH)
        kept, anew = turnovers(short), turnovers(fresh)
        tell("between two short trials, workers kept", kept)
        tell("between two short trials, workers made anew", anew)
        starts = [cold_start(folder / str(attempt)) for attempt in range(3)]
        for part in starts[0]:
            tell(f"start: {part}", [start[part] for start in starts])
        for module in ("torch", "ray.tune", "tune_s11.search"):
            tell(f"  of which: import {module}", [importing(module) for _ in range(3)])
    goals = {
        "wall time over training time": at_most(overall, 1.15),
        "seconds between two trials": at_most(median(between), 1.0),
        "fresh over kept workers": at_least(median(anew) / median(kept), 3.0),
    }
    print(json.dumps(judged(goals)))


if __name__ == "__main__":
    run(app, "benchmarks.scale.overhead")
