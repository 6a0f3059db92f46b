"""Recorded pools: their files, and the arrays on which policies are replayed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.tools.lines import completed_subject, read_lines
from tune_s11.config import InputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

POOLS = Path(__file__).parent / "pools"

CONFIGURATIONS = 256
"""Configurations of a complete pool."""


def pool_file(name: str, pools: Path = POOLS) -> Path:
    """Return the file of a problem's random configurations."""
    return pools / f"{name}.jsonl"


def best_file(name: str, pools: Path = POOLS) -> Path:
    """Return the file of the runs of the best configurations from fresh seeds."""
    return pools / f"{name}-best.jsonl"


def cycles_file(name: str, pools: Path = POOLS) -> Path:
    """Return the file of the configurations' short cycles."""
    return pools / f"{name}-cycles.jsonl"


def range_tests_file(name: str, pools: Path = POOLS) -> Path:
    """Return the file of the range tests."""
    return pools / f"{name}-range-tests.jsonl"


def defaults_file(name: str, pools: Path = POOLS) -> Path:
    """Return the file of the runs of the recipe's defaults."""
    return pools / f"{name}-defaults.jsonl"


@dataclass(frozen=True)
class Pool:
    """Complete runs of ``n`` configurations over ``epochs`` epochs, by number. Accuracies are fractions."""

    header: dict[str, Any]
    """Description of what was recorded, and the manifest."""
    numbers: Ints
    """Numbers of the configurations, (n,), in ascending order."""
    configs: list[dict[str, float]]
    raw: Floats
    """Validation accuracy of the raw weights after each epoch, (n, epochs); 0 from the epoch in which a trial
    diverged."""
    ema: Floats
    """Validation accuracy of the EMA weights after each epoch, (n, epochs); 0 from the epoch in which a trial
    diverged."""
    score: Floats
    """Held-out accuracy of the EMA weights after the last epoch, (n,); 0 where diverged."""
    epochs_run: Ints
    """Epochs trained, (n,): fewer than ``epochs`` where diverged."""
    diverged: Bools
    """Whether each trial diverged, (n,)."""
    fresh: Floats
    """Mean held-out accuracy of the EMA weights over the runs from fresh seeds, (n,); NaN where there are none."""
    processors: list[str]
    """Kind of processor of each run."""

    @property
    def epochs(self) -> int:
        """Epochs of a complete trial."""
        return int(self.ema.shape[1])

    @property
    def quality(self) -> Floats:
        """Estimated quality of each configuration, (n,): mean over fresh seeds where recorded, else of its one run."""
        return np.where(np.isnan(self.fresh), self.score, self.fresh)

    @property
    def best_known(self) -> float:
        """Best accuracy over fresh seeds; without any, that of the best single run, which luck makes too high."""
        return float(self.score.max() if np.isnan(self.fresh).all() else np.nanmax(self.fresh))


def read_pool(name: str, pools: Path = POOLS) -> Pool:
    """Read a problem's pool, with the runs of its best configurations from fresh seeds if they are complete.

    Args:
        name: Name of the problem.
        pools: Folder of the pools.

    Raises:
        InputError: Nothing is recorded yet, or a file holds something else.
    """
    path = pool_file(name, pools)
    header, *lines = read_lines(path) or [{}]
    if not lines:
        raise InputError(f"{path}: nothing is recorded; uv run python -m benchmarks.race.record {name} does it")
    best = read_lines(best_file(name, pools))
    try:
        return build_pool(header, lines, announced_runs(best))
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path}: not a pool: {type(error).__name__}: {error}") from None


def read_defaults(pool: Pool, name: str, pools: Path = POOLS) -> Pool:
    """Read the runs of the recipe's defaults on a problem.

    Args:
        pool: Pool of the problem, which must have been recorded from the same inputs.
        name: Name of the problem.
        pools: Folder of the pools.

    Returns:
        A pool of one configuration: the first run is its trial, and the later ones are its runs from fresh seeds.

    Raises:
        InputError: Some runs are missing, or the file holds something else.
    """
    path = defaults_file(name, pools)
    header, *lines = read_lines(path) or [{}]
    try:
        runs = {int(line.get("repeat", 0)): line for line in lines}
        if not lines or len(runs) < int(header["of"]["defaults"]["runs"]):
            command = f"uv run python -m benchmarks.race.record {name} --defaults"
            raise InputError(f"{path}: expected the complete runs of the defaults; {command} records them")
        recorded = completed_subject(header["of"])
        for key, value in completed_subject(pool.header["of"]).items():
            if recorded.get(key) != value:
                raise InputError(f"{path}: was recorded with another {key} than the pool; expected the same")
        return build_pool(header, [runs[0]], [line for repeat, line in runs.items() if repeat])
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(f"{path}: not a pool: {type(error).__name__}: {error}") from None


def announced_runs(best: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines of the runs from fresh seeds that the header announces; none while some are missing.

    Further runs may follow (see ``plan_again`` in :mod:`benchmarks.race.record`). They do not change the best known,
    which is that of the announced ones.

    Args:
        best: Lines of the file, its header first; empty if there is no file.
    """
    if not best:
        return []
    announced = best[0]["of"]["best"]
    expected = {(number, repeat + 1) for number in announced["numbers"] for repeat in range(announced["repeats"])}
    runs = {(line["number"], line["repeat"]): line for line in best[1:]}
    return [runs[each] for each in sorted(expected)] if expected <= runs.keys() else []


def build_pool(header: dict[str, Any], lines: list[dict[str, Any]], best: list[dict[str, Any]]) -> Pool:
    """Build the arrays from lines as :func:`benchmarks.race.trial.train` returns them.

    Args:
        header: First line of the file.
        lines: One line per configuration, in any order; of two lines with the same number, the first counts.
        best: Lines of the runs from fresh seeds.
    """
    by_number = {int(line["number"]): line for line in reversed(lines)}
    lines = [by_number[number] for number in sorted(by_number)]
    epochs = int(header["of"]["recipe"]["epochs"])
    fresh: dict[int, dict[int, float]] = {}
    for line in best:
        fresh.setdefault(int(line["number"]), {})[int(line["repeat"])] = _score(line)
    return Pool(
        header,
        np.array(sorted(by_number)),
        [line["config"] for line in lines],
        _curves(lines, "raw", epochs),
        _curves(lines, "ema", epochs),
        np.array([_score(line) for line in lines]),
        np.array([len(line["curve"]["ema"]) for line in lines]),
        np.array([line["score"] is None for line in lines]),
        np.array([np.mean(list(fresh.get(number, {0: np.nan}).values())) for number in sorted(by_number)]),
        [line["processor"] for line in lines],
    )


def _curves(lines: list[dict[str, Any]], name: str, epochs: int) -> Floats:
    values = np.zeros((len(lines), epochs))
    for row, line in zip(values, lines, strict=True):
        row[: len(line["curve"][name])] = line["curve"][name]
    return values


def _score(line: dict[str, Any]) -> float:
    return 0.0 if line["score"] is None else float(line["score"]["ema"])
