"""A search that an earlier session has begun."""

import io
from pathlib import Path

from optuna.distributions import FloatDistribution
from rich.console import Console

from tune_s11.results import SearchFolder
from tune_s11.results.folder import LAYOUT
from tune_s11.search.context import Context
from tune_s11.search.steps.trials import run_trials
from tune_s11.search.study import Proposals, open_study
from tune_s11.search.workers.cluster import Workers
from tune_s11.search.workers.executor import Executor
from tune_s11.search_space import load_space
from tune_s11.storage.workspace import Local

COMPLETE = load_space("quick").with_lr_bounds(0.05, 1.0).with_overrides({"search.samples": "1"})
"""A search of which one finished trial is all."""


class Search:
    """One in a folder, with what it prints."""

    def __init__(self, path: Path) -> None:
        self.path, self._printed = path, io.StringIO()
        self.context = Context(
            Local(path, LAYOUT),
            COMPLETE,
            Executor(Workers(1, 1, 0, 1), "fp32"),
            Console(file=self._printed, width=1000, highlight=False),
        )

    @property
    def lines(self) -> list[str]:
        return self._printed.getvalue().splitlines()

    @property
    def trials(self) -> list[int]:
        """Numbers of those that have a folder."""
        return list(SearchFolder(self.path).all_attempts())

    def begin(self, *folders: str) -> None:
        for folder in folders:
            (self.path / "trials" / folder / "checkpoint_000000").mkdir(parents=True)
            (self.path / "trials" / folder / "checkpoint_000000" / "checkpoint.pt").touch()
            (self.path / "trials" / folder / "result.json").write_text(folder)

    def know(self, *, running: int = 0) -> None:
        """Has the study know one complete trial, and so many that an earlier session left running."""
        study = open_study(self.path / "study.log", COMPLETE.search)
        space = {"momentum": FloatDistribution(0.8, 0.98)}
        study.tell(study.ask(space), 0.5)
        for _ in range(running):
            study.ask(space)

    def run(self) -> None:
        """As a session does that finds as many complete trials as it was to run."""
        data, nothing = None, Proposals({}, ())
        run_trials(self.context, data, nothing)  # type: ignore[arg-type]
