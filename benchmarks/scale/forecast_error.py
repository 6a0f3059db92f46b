"""Measure how accurate a search's forecast is: the estimate of ``--dry-run`` against the time of the same search.

    uv run python -m benchmarks.scale.forecast_error

Ten searches on handwritten digits, which differ in length, size and pruning, are forecast and run as a user would.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.tools.goals import at_least, judged
from tune_s11.cli.app import new_app, run

PROGRAM = str(Path(__file__).parents[2] / "run_search.py")

SEARCHES: tuple[dict[str, str | int], ...] = (
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
)
TOLERANCE = 0.15

UNITS = {"h": 3600.0, "min": 60.0, "s": 1.0}


def seconds(told: str) -> float:
    """Return the seconds of a time such as ``1 min 40 s``."""
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+) (h|min|s)\b", told))


def command(folder: str, settings: dict[str, str | int]) -> list[str]:
    chosen = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return [sys.executable, PROGRAM, "--space", "quick", "--storage", folder, *chosen]


app = new_app("Compare forecasts with the time that searches take.")


@app.command()
def main() -> None:
    """Print, for each search, the forecast, the wall time of the whole command, and their ratio."""
    within = 0
    print(f"{'forecast':>9}{'taken':>9}{'taken / forecast':>18}  settings")
    with tempfile.TemporaryDirectory() as folder:
        for settings in SEARCHES:
            asked = command(folder, settings)
            told = subprocess.run([*asked, "--dry-run"], check=True, capture_output=True, text=True).stdout
            forecast = seconds(re.search(r"time +about ([^:]*):", told).group(1))  # type: ignore[union-attr]
            begun = time.monotonic()
            subprocess.run(asked, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            taken = time.monotonic() - begun
            within += abs(taken / forecast - 1) <= TOLERANCE
            print(
                f"{forecast:7.0f} s{taken:7.0f} s{taken / forecast:18.2f}  "
                + ", ".join(f"{key.removeprefix('search.')} {value}" for key, value in settings.items()),
                flush=True,
            )
    print(json.dumps(judged({f"within 15%, of {len(SEARCHES)}": at_least(within, 9, digits=0)})))


if __name__ == "__main__":
    run(app, "benchmarks.scale.forecast_error")
