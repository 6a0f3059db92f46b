"""Searches on disk and their winners, read."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from tune_s11 import results, winner
from tune_s11.config import InputError, Recipe
from tune_s11.report.tables import ranked, trial_facts
from tune_s11.results import SearchFolder
from tune_s11.results.records import Summary
from tune_s11.storage.remote import parse_storage
from tune_s11.winner import Classifier

RESULTS = Path("results")
"""Parent of the results where none is named, as the command line has it."""


@dataclass(frozen=True, eq=False)
class SearchSnapshot:
    """A search as it stands: finished, interrupted or still running.

    Attributes:
        name: Of its folder.
        path: The folder; of a search in object storage, of its copy here.
        trials: A row a trial, best first, indexed by its name: ``state``, ``epoch`` (epochs done), ``score``
            (validation accuracy of the EMA weights, NaN before the first epoch), ``seed``, and a column for each
            parameter that is searched.
        winner: The name of the best trial; None before any is complete.
        recipe: That it was refit with; None before it is refit.
        test_accuracy: Of its refits' EMA weights: ``mean``, ``sd``, ``n``; None before it is refit.
    """

    name: str
    path: Path
    trials: pd.DataFrame
    winner: str | None
    recipe: Recipe | None
    test_accuracy: Summary | None

    @property
    def report(self) -> Path:
        """The page of its report, which :meth:`tune_s11.Search.run` and ``tune-s11 report`` write."""
        return SearchFolder(self.path).report_page


def load_search(name: str | Path | None = None, storage: str | Path = RESULTS) -> SearchSnapshot:
    """Reads a search.

    Args:
        name: Its name, path or address; None: the one begun last.
        storage: The parent of the results: a folder, or an address such as ``s3://BUCKET/searches``.

    Raises:
        tune_s11.config.InputError: There is none of that name, it is damaged, or a later version wrote it.
    """
    found = results.load_search(None if name is None else str(name), parse_storage(str(storage)))
    refits = None
    if found.winner is not None:
        try:
            refits = results.read_refits(found, found.winner)
        except InputError:  # not yet
            refits = None
    facts = [trial_facts(trial) for trial in ranked(found.trials)]
    rows = [{key: row[key] for key in _COLUMNS} | row["params"] for row in facts]
    columns = list(dict.fromkeys([*_COLUMNS, *found.config.space, *(key for row in facts for key in row["params"])]))
    return SearchSnapshot(
        name=found.path.resolve().name,
        path=found.path,
        trials=pd.DataFrame(rows, columns=columns).astype({"score": float}).set_index("trial"),
        winner=found.winner.name if found.winner else None,
        recipe=refits.recipe if refits else None,
        test_accuracy=refits.test_accuracy if refits else None,
    )


_COLUMNS = ("trial", "state", "epoch", "score", "seed")


def load_best(name: str | Path | None = None, storage: str | Path = RESULTS, *, model: str | None = None) -> Classifier:
    """The winner of a search, ready to classify: uint8 tensors or Pillow images in, probabilities out.

    Args:
        name: As :func:`load_search`, or a ``.safetensors`` file that ``tune-s11 export`` wrote.
        storage: As :func:`load_search`.
        model: The network of a file, ``package.module:function``, where it is not the program's own.

    Returns:
        A module in evaluation mode, on the CPU, with the EMA weights of the first refit; normalisation, logit scale
        and softmax are inside.

    Raises:
        tune_s11.config.InputError: There is no such search or file, it is damaged, or its winner is not refit yet.
    """
    return winner.load_best(None if name is None else str(name), parse_storage(str(storage)), model)
