"""Reads searches and single runs to set side by side: one cycle against a baseline, for one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tune_s11.config import InputError, Recipe
from tune_s11.results import SearchResult, load_search, read_refits
from tune_s11.results.folder import SingleRunFolder
from tune_s11.results.opening import places
from tune_s11.results.records import Summary
from tune_s11.results.runs import read_run
from tune_s11.storage.remote import Storage
from tune_s11.training.metrics import EpochMetrics

MOST = 8
"""Runs that a picture tells apart."""

_SHARED = ("dataset", "data_dir", "image_size", "train_images", "val_fraction", "test_fraction")
"""Recipe fields that decide which images are validated on."""


@dataclass(frozen=True)
class Compared:
    """One run, of its own or the winner of a search.

    Attributes:
        name: Of its folder; as it was asked for, where two folders have the same name.
        kind: What it is.
        recipe: It was trained with.
        split_seed: Which images it was validated on.
        rows: One an epoch, rising; at least one.
        test: Test accuracy of a search's refits, weights that are shipped; None without.
    """

    name: str
    kind: Literal["run", "winner"]
    recipe: Recipe
    split_seed: int
    rows: list[EpochMetrics]
    test: Summary | None


def read_compared(names: Sequence[str], storage: Storage) -> list[Compared]:
    """Reads what is to be compared.

    Args:
        names: Each a search or a run, by name or path.
        storage: Where names are looked for.

    Raises:
        InputError: There are too few or too many names, one twice, or one that has nothing to show.
    """
    if not 2 <= len(names) <= MOST:
        raise InputError(f"{len(names)} given: allowed are 2 to {MOST} searches or runs")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name}: is given twice")
    short = [Path(name).name for name in names]
    labels = [label if short.count(label) == 1 else name for name, label in zip(names, short, strict=True)]
    return [_read(name, label, storage) for name, label in zip(names, labels, strict=True)]


def _read(name: str, label: str, storage: Storage) -> Compared:
    for folder in map(SingleRunFolder, places(name, storage)):
        if folder.record.is_file():
            return _read_run(name, label, folder)
    search = load_search(name, storage)
    if search.winner is None:
        raise InputError(f"{name}: no trial of this search has come to its end yet")
    winner = search.winner
    return Compared(label, "winner", winner.recipe, search.config.search.seed, winner.rows, _test_accuracy(search))


def _read_run(name: str, label: str, folder: SingleRunFolder) -> Compared:
    run = read_run(folder, name)
    rows = folder.epochs()
    if not rows:
        raise InputError(f"{name}: the run has no epoch behind it yet")
    return Compared(label, "run", run.recipe, run.split_seed, rows, None)


def _test_accuracy(search: SearchResult) -> Summary | None:
    assert search.winner is not None
    try:
        return read_refits(search, search.winner).test_accuracy
    except InputError:  # not refit yet, or of a trial that has been outdone since
        return None


def common_level(compared: Sequence[Compared]) -> float | None:
    """The score that the worst of them ends with; None where all diverged."""
    return min((run.rows[-1].score for run in compared if not run.rows[-1].diverged), default=None)


def epochs_to(level: float | None, rows: Sequence[EpochMetrics]) -> int | None:
    """First epoch whose score is ``level`` or more; None where there is none."""
    return next((row.epoch for row in rows if level is not None and row.score >= level), None)


def comparison(compared: Sequence[Compared]) -> dict[str, Any]:
    """What is told of the runs: how each ended, and how soon each was where the worst of them ended.

    That is how super-convergence is measured: epochs to the same accuracy (Smith and Topin, arXiv:1708.07120).

    Returns:
        ``level``, as :func:`common_level`; ``differ``, what makes the validation images of some differ from those of
        others; ``runs``, a row each. Accuracies are fractions.
    """
    level = common_level(compared)
    differ = [field for field in _SHARED if len({getattr(run.recipe, field) for run in compared}) > 1]
    if len({run.split_seed for run in compared}) > 1:
        differ.append("seed of the split")
    rows = []
    for run in compared:
        last, best = run.rows[-1], max(run.rows, key=lambda row: row.score)
        rows.append(
            {
                "name": run.name,
                "kind": run.kind,
                "schedule": run.recipe.schedule,
                "epochs": run.recipe.epochs,
                "epochs_done": last.epoch,
                "diverged": last.diverged,
                "max_lr": run.recipe.max_lr,
                "validation_raw": last.val_accuracy,
                "validation_averaged": last.ema_val_accuracy,
                "best_averaged": best.score,
                "best_epoch": best.epoch,
                "epochs_to_level": epochs_to(level, run.rows),
                "test": run.test.model_dump() if run.test else None,
            }
        )
    return {"level": level, "differ": differ, "runs": rows}


def comparison_cells(row: dict[str, Any]) -> list[str]:
    """One row of :func:`comparison` as text, in its order; the best with its epoch."""
    done, epochs, test = row["epochs_done"], row["epochs"], row["test"]
    length = str(done) if done == epochs else f"{done}/{epochs}"
    tested = "" if test is None else f"{Summary.model_validate(test)} (n = {test['n']})"
    return [
        row["name"],
        row["kind"],
        row["schedule"],
        f"{length}, diverged" if row["diverged"] else length,
        f"{row['max_lr']:.4g}",
        f"{row['validation_raw']:.4f}",
        "" if row["validation_averaged"] is None else f"{row['validation_averaged']:.4f}",
        f"{row['best_averaged']:.4f} @{row['best_epoch']}",
        str(row["epochs_to_level"] or ""),
        tested,
    ]
