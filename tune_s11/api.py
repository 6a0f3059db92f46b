"""The public API: searches and their winners, from Python. ``tune_s11`` hands all of it out."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from tune_s11 import results, winner
from tune_s11.config import InputError, Recipe
from tune_s11.lr_range.any_model import LRRange, lr_range_test
from tune_s11.report.facts import ranked, trial_facts
from tune_s11.results.opening import begin, resume
from tune_s11.results.records import Summary
from tune_s11.search_space import load_space
from tune_s11.storage.remote import parse_storage
from tune_s11.training.schedule import OneCycle, Triangular, drive
from tune_s11.winner import Classifier

__all__ = [
    "LRRange",
    "OneCycle",
    "Search",
    "SearchSnapshot",
    "Triangular",
    "drive",
    "load_best",
    "load_search",
    "lr_range_test",
]

RESULTS = "results"
"""Parent of the results where none is named, as the command line has it."""


@dataclass(frozen=True)
class Search:
    """A search to run, as ``run_search.py`` runs it. One that has started is resumed.

    Attributes:
        name: Of its results folder.
        space: Name of a space file that ships, or the path of one.
        settings: What is different from the space file: recipe fields, ``search.FIELD``, ``refit.FIELD``.
        storage: The parent of the results: a folder, or an address such as ``s3://BUCKET/searches``.
        gpus: At most so many; None: all there are; 0: the CPU.
        workers: Trials at a time on CPUs; None: 2.
        callbacks: ``ray.tune.Callback`` objects, called after the program's own.
    """

    name: str
    space: str = "s11"
    settings: Mapping[str, Any] = field(default_factory=dict)
    storage: str | Path = RESULTS
    gpus: int | None = None
    workers: int | None = None
    callbacks: tuple[Any, ...] = ()

    def run(self) -> "SearchSnapshot":
        """Run what is left of the search, and write its report. Progress is shown in a terminal or a notebook.

        Raises:
            tune_s11.config.InputError: Something given is wrong, or a search of that name has another configuration.
            tune_s11.search.SearchFailedError: No trial is complete, or a worker fails.
            tune_s11.search.SearchInterruptedError: It was interrupted; the same call resumes it.
        """
        if "RAY_ADDRESS" not in os.environ:  # A Ray that is started here shall listen on loopback only.
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        from tune_s11.report import write_report
        from tune_s11.search import Resources, Session

        config = load_space(str(self.space)).with_overrides({key: str(value) for key, value in self.settings.items()})
        config, storage = config.with_absolute_paths().checked_for_search(), parse_storage(str(self.storage))
        try:
            workspace = resume(storage, self.name)
        except InputError:
            workspace = begin(storage, self.name)
        session = Session(workspace, config, "auto", "auto", Console(highlight=False), callbacks=self.callbacks)
        result = session.run(Resources(gpus=self.gpus, workers=self.workers))
        write_report(result)
        workspace.finish()
        return load_search(self.name, self.storage)


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
