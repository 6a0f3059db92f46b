"""What a search costs beside its training: between trials, in all, and before the first step.

    uv run python -m benchmarks.scale.overhead

The searches are real ones on handwritten digits, without pruning; only what stands between trials differs.
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
from tune_s11.search import Resources, Session
from tune_s11.search_space import load_space
from tune_s11.storage.workspace import Local

ROOT = Path(__file__).parents[2]
WORKERS = 2
EACH = 10
"""Trials of a worker."""

LONG, SHORT = 20, 1
"""Epochs of a trial: about ten seconds, and as little as there is."""


def settings(epochs: int, samples: int) -> dict[str, str]:
    """Of a search without pruning, range test, finalists and all but one refit."""
    return {
        **{"width": "8", "epochs": str(epochs), "peak_epoch": str(epochs / 2)},
        **{"search.scheduler": "none", "search.samples": str(samples), "search.refit_seeds": "1"},
    }


@contextmanager
def fresh_actors() -> Iterator[None]:
    """Has Tune start a worker anew for each trial, as it does by default."""
    with patch.object(tune, "TuneConfig", lambda **chosen: Config(**{**chosen, "reuse_actors": False})):
        yield


Config = tune.TuneConfig


def search(folder: Path, name: str, epochs: int, samples: int) -> SearchResult:
    """A search in this process, to its end."""
    config = load_space("quick").with_overrides(settings(epochs, samples)).with_lr_bounds(0.05, 0.5)
    workspace = Local((folder / name).resolve(), LAYOUT)
    session = Session(workspace, config.checked_for_search(), "auto", "off", Console(quiet=True))
    return session.run(Resources(gpus=0, workers=WORKERS))


def trained(trial: TrialResult) -> float:
    """Seconds of the trial's epochs, validation included."""
    return float(sum(row.seconds for row in trial.rows))


def span(path: Path, trial: TrialResult) -> tuple[float, float]:
    """When the trial's training began and ended, as the driver saw it; Ray's own times are whole seconds.

    What its reports took in between counts as time before it began.
    """
    end = (path / "trials" / trial.name / "result.json").stat().st_mtime
    return end - trained(trial), end


def turnovers(found: SearchResult) -> list[float]:
    """Seconds between one trial's last epoch and the next one's first on the same slot of the search.

    With fresh actors each trial has a worker of its own, so slots are told by order: a trial follows the one that ended
    last before its own first epoch began.
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
    """Wall time from the first epoch to the last, over what the epochs would take side by side without gaps."""
    begins, ends = zip(*(span(found.path, trial) for trial in found.trials), strict=True)
    return float((max(ends) - min(begins)) / (sum(map(trained, found.trials)) / WORKERS))


def cold_start(folder: Path) -> dict[str, float]:
    """Seconds from typing ``run_search.py`` to the moments on the way to the first step of the first trial."""
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
    """Seconds that a fresh Python takes to import a module."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - begun


def tell(name: str, values: list[float], unit: str = "s") -> None:
    print(
        f"{name:44}{median(values):8.2f} {unit}  ({min(values):.2f} to {max(values):.2f}, n = {len(values)})",
        flush=True,
    )


app = new_app("Measure what a search costs beside its training.")


@app.command()
def main() -> None:
    """Prints the searches' overhead, the turnover between trials, and what a cold start is made of."""
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
