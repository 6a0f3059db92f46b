"""Reads searches and single runs to compare, for example one cycle with a baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tune_s11.config import InputError, Recipe
from tune_s11.report.tables import HeldOut, first_epoch
from tune_s11.report.train_test_curve import read_train_test
from tune_s11.results import RunResult, SearchResult, load_result, read_refits
from tune_s11.results.folder import RefitFolder
from tune_s11.results.records import RefitScores, Summary, read_record_or_none
from tune_s11.storage.remote import Storage
from tune_s11.training.metrics import EpochMetrics

MOST = 8
"""Maximum number of runs that a figure can distinguish."""

_IMAGES = ("dataset", "data_dir", "image_size", "test_fraction")
"""Recipe fields that decide what the images are, with their files."""

_SPLIT = ("train_images", "val_fraction")
"""Recipe fields that decide which of the training images are held out for validation."""


@dataclass(frozen=True)
class HeldOutEpoch:
    """The accuracies of one epoch on images that the run is not trained on; 0 if the epoch has diverged."""

    epoch: int
    """Epochs completed, this one included."""
    lr: float
    raw: float
    """Accuracy of the raw weights."""
    ema: float | None
    """Accuracy of the EMA weights; None if the recipe has no EMA."""
    diverged: bool

    @property
    def score(self) -> float:
        """Accuracy of the weights that are ranked and shipped."""
        return self.raw if self.ema is None else self.ema


@dataclass(frozen=True)
class Compared:
    """A run to compare: a single run, or the winner of a search.

    Attributes:
        name: Name of its folder, or the name as given if two folders have the same name.
        kind: Kind of the run.
        recipe: Recipe of its training.
        images: Images that its accuracies are measured on: validation images, or test images for a run with ``--test``.
        split_seed: Seed of the split that it was validated with.
        rows: Accuracies, one row per epoch, in rising order; at least one.
        test: Test accuracy of the weights that are shipped, over refits or of a single run; None: not tested.
        target: Recorded accuracy at which to draw a line; None: no line.
        fingerprint: Fingerprint of all images; None: not recorded.
    """

    name: str
    kind: Literal["run", "winner"]
    recipe: Recipe
    images: HeldOut
    split_seed: int
    rows: list[HeldOutEpoch]
    test: Summary | None = None
    target: float | None = None
    fingerprint: str | None = None


def read_compared(names: Sequence[str], storage: Storage) -> list[Compared]:
    """Read the searches and runs to compare.

    Args:
        names: Searches and runs, by name or path.
        storage: Storage in which names are looked up.

    Raises:
        InputError: There are too few or too many names, one is given twice, or one has nothing to show.
    """
    if not 1 <= len(names) <= MOST:
        raise InputError(f"{len(names)} given: expected 1 to {MOST} searches or runs")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name}: is given twice")
    short = [Path(name).resolve().name for name in names]  # "." has no name of its own
    labels = [label if short.count(label) == 1 else name for name, label in zip(names, short, strict=True)]
    return [_read(name, label, storage) for name, label in zip(names, labels, strict=True)]


def _read(name: str, label: str, storage: Storage) -> Compared:
    result = load_result(name, storage)
    if isinstance(result, RunResult):
        return compared_run(result, name, label)
    settings, winner = result.config.search, result.winner
    if winner is None:
        raise InputError(f"{name}: {result.why_no_winner}")
    rows = _validated(winner.rows)
    return Compared(
        label,
        "winner",
        winner.recipe,
        "validation",
        settings.seed,
        rows,
        _test_accuracy(result),
        settings.target_line,
        _fingerprint(result.manifest),
    )


def compared_run(result: RunResult, name: str, label: str) -> Compared:
    """Return a single run as :class:`Compared`, under a label.

    Raises:
        InputError: Nothing is trained yet, or the test curve is missing.
    """
    run, options, folder = result.run, result.run.options, result.folder
    if not result.rows:
        raise InputError(f"{name}: the run has not finished an epoch yet")
    rows = _tested(folder) if options.test else _validated(result.rows)
    if not rows:
        raise InputError(f"{name}: {folder.test_curve} and {folder.metrics} have no epoch in common")
    scores = read_record_or_none(RefitScores, folder.scores)
    test = None if scores is None else Summary.of([scores.shipped])
    images: HeldOut = "test" if options.test else "validation"
    seed, target = run.split_seed, options.target_line
    return Compared(label, "run", run.recipe, images, seed, rows, test, target, _fingerprint(result.manifest))


def _fingerprint(manifest: dict[str, Any]) -> str | None:
    data = manifest.get("data")
    return data.get("fingerprint") if isinstance(data, dict) else None


def _validated(rows: Sequence[EpochMetrics]) -> list[HeldOutEpoch]:
    return [
        HeldOutEpoch(row.epoch, row.lr, row.val_accuracy or 0.0, row.ema_val_accuracy, row.diverged) for row in rows
    ]


def _tested(folder: RefitFolder) -> list[HeldOutEpoch]:
    return [
        HeldOutEpoch(row.epoch, row.lr, row.test_accuracy, row.ema_test_accuracy, row.train_loss is None)
        for row in read_train_test(folder)
        if row.test_accuracy is not None
    ]


def _test_accuracy(search: SearchResult) -> Summary | None:
    assert search.winner is not None
    try:
        return read_refits(search, search.winner).test_accuracy
    except InputError:  # not refit yet, or the refits are of an earlier winner
        return None


def common_level(compared: Sequence[Compared]) -> float | None:
    """Return the final score of the worst of several runs; None for one run alone, or if all diverged."""
    ends = [run.rows[-1].score for run in compared if not run.rows[-1].diverged]
    return min(ends, default=None) if len(compared) > 1 else None


def epochs_to(level: float | None, rows: Sequence[HeldOutEpoch]) -> int | None:
    """Return the first epoch whose score is ``level`` or more; None if there is none."""
    return first_epoch(level, ((row.epoch, row.score) for row in rows))


def recorded_target(compared: Sequence[Compared]) -> float | None:
    """Return the first target line that is recorded with one of the runs; None if there is none."""
    return next((run.target for run in compared if run.target is not None), None)


def comparison(compared: Sequence[Compared], target: float | None = None) -> dict[str, Any]:
    """Compare the runs: how each ended, and how soon each reached the final score of the worst one.

    Super-convergence is measured like this, by epochs to the same accuracy (Smith and Topin, arXiv:1708.07120).

    Args:
        compared: Runs to compare.
        target: Another accuracy for which to find the first epoch; None: none.

    Returns:
        ``level``, see :func:`common_level`; ``target``; ``differ``, the settings that make the runs' images differ;
        ``runs``, one row each. Accuracies are fractions of the ``images`` that the row names. Only validated runs have
        a best epoch: a maximum over test accuracies would be a choice by test images.
    """
    level = common_level(compared)
    rows = []
    for run in compared:
        last = run.rows[-1]
        best = max(run.rows, key=lambda row: row.score) if run.images == "validation" else None
        rows.append(
            {
                "name": run.name,
                "kind": run.kind,
                "schedule": run.recipe.schedule,
                "epochs": run.recipe.epochs,
                "epochs_done": last.epoch,
                "diverged": last.diverged,
                "max_lr": run.recipe.max_lr,
                "images": run.images,
                "raw": last.raw,
                "ema": last.ema,
                "best": best and best.score,
                "best_epoch": best and best.epoch,
                "epochs_to_level": epochs_to(level, run.rows),
                "epochs_to_target": epochs_to(target, run.rows),
                "test": run.test.model_dump() if run.test else None,
            }
        )
    return {"level": level, "target": target, "differ": _differences(compared), "runs": rows}


def _differences(compared: Sequence[Compared]) -> list[str]:
    """Return the settings that make the runs' images differ."""
    kinds, prints = {run.images for run in compared}, {run.fingerprint for run in compared}

    def differing(fields: tuple[str, ...]) -> list[str]:
        return [field for field in fields if len({getattr(run.recipe, field) for run in compared}) > 1]

    differ = ["whether they are tested or validated"] if len(kinds) > 1 else []
    if None in prints:
        differ += differing(_IMAGES)
    elif len(prints) > 1:  # otherwise they are the same images, wherever their files are
        differ += differing(_IMAGES) or ["files"]
    if "validation" in kinds:
        differ += differing(_SPLIT)
    if "validation" in kinds and len({run.split_seed for run in compared}) > 1:
        differ.append("seed of the split")
    return differ


CELLS = (
    "name",
    "kind",
    "schedule",
    "images",
    "epochs",
    "max_lr",
    "raw",
    "EMA",
    "best",
    "to level",
    "to target",
    "test",
)
"""Headings of :func:`comparison_cells`."""


def comparison_cells(row: dict[str, Any]) -> list[str]:
    """Return one row of :func:`comparison` as text, in the order of :data:`CELLS`; the best score has its epoch."""
    done, epochs, test = row["epochs_done"], row["epochs"], row["test"]
    length = str(done) if done == epochs else f"{done}/{epochs}"
    tested = "" if test is None else f"{Summary.model_validate(test)} (n = {test['n']})"
    return [
        row["name"],
        row["kind"],
        row["schedule"],
        row["images"],
        f"{length}, diverged" if row["diverged"] else length,
        f"{row['max_lr']:.4g}",
        f"{row['raw']:.4f}",
        "" if row["ema"] is None else f"{row['ema']:.4f}",
        "" if row["best_epoch"] is None else f"{row['best']:.4f} @{row['best_epoch']}",
        str(row["epochs_to_level"] or ""),
        str(row["epochs_to_target"] or ""),
        tested,
    ]
