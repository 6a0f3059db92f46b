"""Measure how accurate a search's forecast is, and how much of a search is training.

    uv run python -m benchmarks.scale.forecast_error record short
    uv run python -m benchmarks.scale.forecast_error record long
    uv run python -m benchmarks.scale.forecast_error table long

Searches on handwritten digits are forecast by ``--dry-run`` and run as a user would: ten of about a minute, and three
of at least ten minutes with range test, ASHA and finalists. Each one is a line of JSON; the same command resumes where
an interrupted one stopped. The forecast is compared with a constant guess: the median of what the searches took.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from benchmarks.race.trial import processor_kind
from benchmarks.tools.goals import at_least, judged
from benchmarks.tools.lines import append_line, read_lines
from benchmarks.tools.markdown import markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.config import InputError
from tune_s11.results import SearchResult, load_search
from tune_s11.results.lr_range import read_range_test

PROGRAM = str(Path(__file__).parents[2] / "run_search.py")
ROWS = Path(__file__).parent / "recordings" / "forecasts.jsonl"

Length = Literal["short", "long"]
Settings = dict[str, str | int]

SEARCHES: dict[Length, tuple[Settings, ...]] = {
    "short": (
        {"search.samples": 8},
        {"search.samples": 12, "search.seed": 1},
        {"search.samples": 16, "search.seed": 2},
        {"search.samples": 6, "search.scheduler": "none"},
        {"search.samples": 10, "width": 4},
        {"search.samples": 6, "width": 16},
        {"search.samples": 6, "epochs": 24},
        {"search.samples": 12, "epochs": 6},
        {"search.samples": 8, "search.finalists": 2},
        {"search.samples": 8, "search.refit_seeds": 2},
    ),
    "long": (
        {"search.samples": 100, "search.finalists": 4, "epochs": 24, "width": 16},
        {"search.samples": 64, "search.finalists": 3, "epochs": 24, "width": 24, "search.seed": 1},
        {"search.samples": 420, "search.finalists": 4, "epochs": 18, "search.seed": 2},
    ),
}
TOLERANCE = 0.15
WORKERS = 2

UNITS = {"h": 3600.0, "min": 60.0, "s": 1.0}


def seconds(told: str) -> float:
    """Return the seconds of a time such as ``1 min 40 s``."""
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+) (h|min|s)\b", told))


def command(folder: str, settings: Settings) -> list[str]:
    chosen = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    places = ["--storage", folder, "--name", "measured", "--workers", str(WORKERS)]
    return [sys.executable, PROGRAM, "--space", "quick", *places, *chosen]


def training(search: SearchResult) -> float:
    """Return the seconds of all epochs of all runs of a search, validation included.

    The range test does not record its seconds: an epoch of its cycles counts as a trial's median epoch, and its ramps,
    which are shorter, are left out.
    """
    of_trials = [row.seconds for trial in search.trials for row in trial.rows]
    others = [row["seconds"] for file in search.path.rglob("metrics.jsonl") for row in read_lines(file)]
    cycles = read_range_test(search.folder.range_test).cycles.values()
    in_cycles = sum(cycle.epochs for cycle in cycles) * statistics.median(of_trials)
    return float(sum(of_trials) + sum(others) + in_cycles)


def measure(settings: Settings) -> dict[str, Any]:
    """Forecast a search and run it; return its line."""
    with tempfile.TemporaryDirectory() as folder:
        asked = command(folder, settings)
        told = subprocess.run([*asked, "--dry-run"], check=True, capture_output=True, text=True).stdout
        found = re.search(r"time +about ([^:]*):", told)
        assert found is not None, told
        begun = time.monotonic()
        subprocess.run(asked, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        taken = time.monotonic() - begun
        trained = training(load_search("measured", Path(folder)))
    return {
        "settings": settings,
        "forecast": seconds(found.group(1)),
        "taken": round(taken, 1),
        "training": round(trained, 1),
        "processor": processor_kind(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


app = new_app("Compare forecasts with the time that searches take.")
LengthArgument = Annotated[Length, typer.Argument(help="Searches of about a minute, or of at least ten minutes.")]


@app.command()
def record(length: LengthArgument) -> None:
    """Forecast and run the searches that are not recorded yet on this kind of processor."""
    done = [row["settings"] for row in rows_of(length, processor_kind())]
    for settings in SEARCHES[length]:
        if settings not in done:
            row = measure(settings)
            append_line(ROWS, row)
            print(json.dumps(row), flush=True)


@app.command()
def table(length: LengthArgument) -> None:
    """Print the recorded searches of each kind of processor, and how often forecast and constant guess are right."""
    goals = {}
    for kind in dict.fromkeys(row["processor"] for row in read_lines(ROWS)):
        if rows := rows_of(length, kind):
            print(f"\n{kind}, {', '.join(sorted({row['date'] for row in rows}))}\n")
            print_table(rows)
            good, constant = count_within(rows)
            print(f"\nwithin 15%: {good} of {len(rows)}; a constant guess, the median: {constant} of {len(rows)}")
            goals[f"within 15%, of {len(rows)}, {kind}"] = at_least(good, 0.9 * len(rows), digits=1)
    if not goals:
        raise InputError(f"{ROWS}: no {length} search is recorded")
    print(json.dumps(judged(goals)))


def rows_of(length: Length, kind: str) -> list[dict[str, Any]]:
    """Return the lines of searches of this length on one kind of processor."""
    rows = read_lines(ROWS)
    return [row for row in rows if row["settings"] in SEARCHES[length] and row["processor"] == kind]


def count_within(rows: list[dict[str, Any]]) -> tuple[int, int]:
    """Return how many searches took at most 15% more or less than forecast, and than their median."""
    constant = statistics.median(row["taken"] for row in rows)
    close = [
        (abs(row["taken"] / row["forecast"] - 1) <= TOLERANCE, abs(row["taken"] / constant - 1) <= TOLERANCE)
        for row in rows
    ]
    return sum(forecast for forecast, _ in close), sum(guess for _, guess in close)


def print_table(rows: list[dict[str, Any]]) -> None:
    heads = ["forecast", "taken", "taken / forecast", "training, per worker", "taken / training", "search"]
    print(*markdown_head(heads), sep="\n")
    for row in rows:
        busy, taken, forecast = row["training"] / WORKERS, row["taken"], row["forecast"]
        settings = ", ".join(f"{key.removeprefix('search.')} {value}" for key, value in row["settings"].items())
        figures = [f"{forecast:,.0f} s", f"{taken:,.0f} s", f"{taken / forecast:.2f}", f"{busy:,.0f} s"]
        print(markdown_row([*figures, f"{taken / busy:.2f}", settings]))


if __name__ == "__main__":
    run(app, "benchmarks.scale.forecast_error")
