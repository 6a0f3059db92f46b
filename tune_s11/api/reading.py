"""Reads searches and their winners from Python."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tune_s11 import results, winner
from tune_s11.config import Recipe
from tune_s11.report.tables import ranked, trial_facts
from tune_s11.results import SearchFolder
from tune_s11.results.records import Summary
from tune_s11.storage.remote import parse_storage
from tune_s11.winner import Classifier

RESULTS = Path("results")
"""Default parent of the results, as on the command line."""


@dataclass(frozen=True, eq=False)
class SearchSnapshot:
    """The state of a search that is finished, interrupted or still running.

    Attributes:
        name: Name of the search's folder.
        path: Path of the folder; for a search in object storage, of its copy on this machine.
        trials: Table with one row per trial, best first, indexed by the trial's name: ``state``, ``epoch`` (epochs
            completed), ``score`` (validation accuracy of the EMA weights, NaN before the first epoch), ``seed``, and a
            column for each parameter that is searched.
        winner: Name of the best trial; None before any is complete.
        recipe: Recipe that the winner was refit with; None before it is refit.
        test_accuracy: Test accuracy of the refits' EMA weights: ``mean``, ``sd``, ``n``; None before the winner is
            refit.
    """

    name: str
    path: Path
    trials: pd.DataFrame
    winner: str | None
    recipe: Recipe | None
    test_accuracy: Summary | None

    @property
    def report(self) -> Path:
        """Page of the report, which :meth:`tune_s11.Search.run` and ``tune-s11 report`` write."""
        return SearchFolder(self.path).report_page


def load_search(name: str | Path | None = None, storage: str | Path = RESULTS) -> SearchSnapshot:
    """Read a search.

    Args:
        name: Name, path or address of the search; None: the one that was started last.
        storage: Parent of the results: a folder, or an address such as ``s3://BUCKET/searches``.

    Raises:
        tune_s11.config.InputError: There is no such search, it is damaged, or a later version wrote it.
    """
    found = results.load_search(None if name is None else str(name), parse_storage(str(storage)))
    refits = None
    if found.winner is not None:
        with suppress(results.NotRefitError):
            refits = results.read_refits(found, found.winner)
    facts = [trial_facts(trial) for trial in ranked(found.trials)]
    rows = [{key: row[key] for key in _COLUMNS} | row["params"] for row in facts]
    columns = list(dict.fromkeys([*_COLUMNS, *found.config.space, *(key for row in facts for key in row["params"])]))
    return SearchSnapshot(
        name=found.name,
        path=found.path,
        trials=pd.DataFrame(rows, columns=columns).astype({"score": float}).set_index("trial"),
        winner=found.winner.name if found.winner else None,
        recipe=refits.recipe if refits else None,
        test_accuracy=refits.test_accuracy if refits else None,
    )


_COLUMNS = ("trial", "state", "epoch", "score", "seed")


def load_best(name: str | Path | None = None, storage: str | Path = RESULTS, *, model: str | None = None) -> Classifier:
    """Return the winner of a search as a classifier of uint8 tensors or Pillow images that returns probabilities.

    Args:
        name: Search as in :func:`load_search`, or a ``.safetensors`` file that ``tune-s11 export`` wrote.
        storage: See :func:`load_search`.
        model: Network of the file, ``package.module:function``, if it is not the program's own.

    Returns:
        A module in evaluation mode, on the CPU, with the EMA weights of the first refit; normalisation, logit scale
        and softmax are inside.

    Raises:
        tune_s11.config.InputError: There is no such search or file, it is damaged, or its winner is not refit yet.
    """
    return winner.load_best(None if name is None else str(name), parse_storage(str(storage)), model)
