"""Print tables of the searches that ``benchmarks.race.contest`` ran, compared with this program's arm.

    uv run python -m benchmarks.race.standings
    uv run python -m benchmarks.race.standings digits-s11

The last line of the output is JSON with all figures. Repeats are paired: repeat ``r`` of every arm has the same
training seeds, and what the arms ship is retrained from the same fresh seed.
"""

import json
import math
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from scipy.stats import t

from benchmarks.race.contest import CONTESTS, contest_file
from benchmarks.race.live_arms import LIVE_ARMS, OURS
from benchmarks.race.log import Log, candidates_of, ship_of
from benchmarks.race.measures import TRIALS, Estimate, estimate, measure
from benchmarks.race.pool import POOLS, Floats, Pool, read_pool
from benchmarks.race.problems import PROBLEMS, find_problem
from benchmarks.race.replay import TRACKS, figure_cells, figure_heads, with_interval
from benchmarks.tools.lines import read_lines
from benchmarks.tools.markdown import markdown_head, markdown_row
from tune_s11.cli.app import new_app, run
from tune_s11.config import InputError

LEGEND = f"""\
Regret is that of what would be shipped, retrained from a fresh seed and measured on images that no arm has seen: 0 the
pool's best known, 1 its median. Area: under the regret against log(epochs), from one complete trial's epochs to the
budget of {TRIALS}, over its width. Epochs until close: until within one point of the best known, a restricted mean.
Points: accuracy at the full budget less that of `{OURS.name}`, in percentage points. ± is Student's 95% interval over
the repeats, paired where two arms are compared. An arm is better where the interval of its area less that of
`{OURS.name}` lies below 0, worse where it lies above; it is not worse by a point where the interval of its points lies
above -1."""


@dataclass(frozen=True)
class Standing:
    """Results of the searches of one arm."""

    figures: dict[int, dict[str, float]]
    """Figures by repeat: those of :func:`benchmarks.race.measures.measure`, and ``points``, the accuracy at the full
    budget in percent."""
    refused: int
    """Number of repeats in which the arm could not start."""
    trials: float
    """Median number of trials started."""

    def values(self, figure: str) -> Floats:
        """Return a figure of every repeat, (repeats,)."""
        return np.array([figures[figure] for figures in self.figures.values()])

    def less(self, other: "Standing", figure: str) -> Floats:
        """Return by how much a figure exceeds that of another arm in the repeats that both have, (repeats,)."""
        both = self.figures.keys() & other.figures.keys()
        return np.array([self.figures[repeat][figure] - other.figures[repeat][figure] for repeat in sorted(both)])


def stand(lines: list[dict[str, Any]], pool: Pool) -> Standing:
    """Return the standing of one arm in one track.

    Args:
        lines: Lines of its searches, as returned by :func:`benchmarks.race.contest.search`.
        pool: Pool of the problem.
    """
    scale = pool.best_known, float(np.median(pool.quality))
    figures = {}
    for line in lines:
        log = Log(line["trials"], line["events"], line["rates"], line["refused"])
        quality = {int(row): accuracy for row, accuracy in line["fresh"].items()}
        candidates = candidates_of(log, pool.epochs, quality, scale)
        shipped = ship_of(log, candidates, TRIALS * pool.epochs)
        measured = measure(shipped, candidates)
        figures[int(line["repeat"])] = measured | {"points": 100 * float(candidates.quality[shipped[-1]])}
    return Standing(
        figures,
        sum(line["refused"] is not None for line in lines),
        float(np.median([len(line["trials"]) for line in lines])),
    )


def smallest_effect(differences: Floats, n: int) -> float:
    """Return the mean of paired differences that ``n`` repeats would detect with a power of 80%.

    This is the usual sum of two of Student's quantiles, for a two-sided test at 5%.

    Args:
        differences: Paired differences of a pilot, (repeats,), two or more.
        n: Number of repeats planned.
    """
    return float((t.ppf(0.975, n - 1) + t.ppf(0.8, n - 1)) * differences.std(ddof=1) / math.sqrt(n))


def visible(standings: dict[str, Standing]) -> dict[str, float]:
    """Return, by arm, the smallest effect on its points less ours that as many repeats as it has would show."""
    ours = standings.get(OURS.name)
    if ours is None:
        return {}
    differences = {arm: standing.less(ours, "points") for arm, standing in standings.items() if standing is not ours}
    return {arm: smallest_effect(paired, len(paired)) for arm, paired in differences.items() if len(paired) > 1}


def table(standings: dict[str, Standing], epochs: int) -> list[str]:
    """Return the Markdown lines of a track's table.

    Args:
        standings: Standings by arm.
        epochs: Epochs of a complete trial.
    """
    heads = ["arm", "n", *figure_heads(epochs), "area - ours", "points - ours", "trials"]
    lines = markdown_head(heads)
    ours = standings.get(OURS.name)
    for name, standing in standings.items():
        cells = [f"{name} (refused {standing.refused})" if standing.refused else name, str(len(standing.figures))]
        names = next(iter(standing.figures.values()))
        cells += figure_cells({figure: standing.values(figure) for figure in names}, epochs)
        for figure, digits in (("area", 3), ("points", 1)):
            differences = np.array([]) if ours is None or name == OURS.name else standing.less(ours, figure)
            cells.append(with_interval(estimate(differences), digits) if len(differences) else ".")
        cells.append(f"{standing.trials:.0f}")
        lines.append(markdown_row(cells))
    return lines


def tell(name: str, contests: Path, pools: Path) -> dict[str, Any]:
    """Print a problem's tables and return its figures by track and arm.

    Raises:
        InputError: The pool or the searches are not recorded.
    """
    pool = read_pool(name, pools)
    path = contest_file(name, contests)
    _, *lines = read_lines(path) or [{}]
    if not lines:
        raise InputError(f"{path}: nothing is recorded; uv run python -m benchmarks.race.contest {name} does it")
    found: dict[str, Any] = {}
    for track, defaults_first in TRACKS.items():
        here = [line for line in lines if line["defaults_first"] is defaults_first]
        by_arm = {arm: [line for line in here if line["arm"] == arm] for arm in LIVE_ARMS}
        standings = {arm: stand(of_arm, pool) for arm, of_arm in by_arm.items() if of_arm}
        if not standings:
            continue
        kinds = ", ".join(f"{count} on {kind}" for kind, count in Counter(line["processor"] for line in here).items())
        dates = sorted(line["date"] for line in here)
        print(f"\n### {name}, {track}, trained\n")
        print(
            f"{len(here)} searches ({kinds}), {dates[0]} to {dates[-1]}; table of {date.today()}. "
            f"Best known {pool.best_known:.4f}, median {np.median(pool.quality):.4f}.\n"
        )
        print("\n".join(table(standings, pool.epochs)), flush=True)
        effects = visible(standings)
        if effects:
            least, most = min(effects.values()), max(effects.values())
            print(f"\nSmallest visible effect on points - ours: {least:.1f} to {most:.1f}, by arm.")
        found[track] = {arm: _figures(standing, standings.get(OURS.name)) for arm, standing in standings.items()}
    return found


def _figures(standing: Standing, ours: Standing | None) -> dict[str, Any]:
    names = next(iter(standing.figures.values()))
    figures: dict[str, Any] = {"n": len(standing.figures), "refused": standing.refused, "trials": standing.trials}
    figures |= {figure: _rounded(estimate(standing.values(figure))) for figure in names}
    if ours is not None and ours is not standing:
        figures["less_ours"] = {figure: _rounded(estimate(standing.less(ours, figure))) for figure in names}
    return figures


def _rounded(found: Estimate) -> list[float | None]:
    return [None if math.isnan(value) else round(value, 4) for value in found]


app = new_app("Print tables of the arms that train their own trials.")


@app.command()
def main(
    problems: Annotated[list[str] | None, typer.Argument(metavar="[PROBLEM]...", help="Default: all recorded.")] = None,
    aside: Annotated[bool, typer.Option("--aside", help="Show the held-out problem.")] = False,
    contests: Annotated[Path, typer.Option("--contests", help="Folder of the searches.")] = CONTESTS,
    pools: Annotated[Path, typer.Option("--pools", help="Folder of the pools.")] = POOLS,
) -> None:
    """Print a table for each problem and track, and all figures as JSON."""
    names = problems or [
        name for name, problem in PROBLEMS.items() if not problem.aside and contest_file(name, contests).exists()
    ]
    if not names:
        raise InputError(f"--contests {contests}: must hold the searches of a problem")
    for name in names:
        find_problem(name, aside, "shows it")
    print(LEGEND)
    print("\n" + json.dumps({"date": str(date.today()), "problems": {n: tell(n, contests, pools) for n in names}}))


if __name__ == "__main__":
    run(app, "benchmarks.race.standings")
