"""What a session finds of an earlier one, before its trials continue."""

import io
from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution
from rich.console import Console

from tune_s11.config import InputError
from tune_s11.results import SearchFolder
from tune_s11.results.folder import LAYOUT
from tune_s11.search.checkpoints import drop_checkpoints
from tune_s11.search.context import Context
from tune_s11.search.steps.trials import Limits, run_trials
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
        run_trials(self.context, data, nothing, Limits(), compiled=False)  # type: ignore[arg-type]


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return Search(tmp_path)


def test_trials_that_the_study_does_not_know_are_set_aside_without_checkpoints(search: Search) -> None:
    path = search.path
    search.know()
    search.begin("t0000", "t0001", "t0001.1", "t0010")
    search.run()
    assert search.trials == [0]
    assert (path / "trials" / "t0000" / "checkpoint_000000" / "checkpoint.pt").exists()
    kept = sorted(path.glob("unknown/*/*/*"))
    assert [file.read_text() for file in kept] == ["t0001", "t0001.1", "t0010"]
    assert [line.partition(":")[0] for line in search.lines] == [f"{path}/trials/t0001", f"{path}/trials/t0010"]


def test_a_number_that_is_set_aside_twice_keeps_both(search: Search) -> None:
    search.know()
    for _ in range(2):
        search.begin("t0001")
        search.run()
    assert len(list(search.path.glob("unknown/*/t0001/result.json"))) == 2


@pytest.mark.parametrize("state", ["missing", "empty"])
def test_trials_without_a_study_are_left_as_they_are(search: Search, state: str) -> None:
    search.begin("t0000")
    journal = search.path / "study.log"
    if state == "empty":
        journal.touch()
    with pytest.raises(InputError) as caught:
        search.run()
    assert str(caught.value) == (
        f"{journal}: is {state}; without it the search cannot go on, its trials can still be read"
    )
    assert search.trials == [0]


def test_all_that_the_study_knows_stay(search: Search) -> None:
    search.know(running=1)
    search.begin("t0000", "t0001")
    search.run()
    assert not [line for line in search.lines if "does not know" in line]
    assert search.trials == [0, 1]
    assert not (search.path / "unknown").exists()


def test_checkpoints_of_all_attempts_at_one_trial_go(search: Search) -> None:
    search.begin("t0001", "t0001.1", "t0001.12", "t0010", "t0011")
    drop_checkpoints(search.context, 1)
    left = sorted(str(file.relative_to(search.path)) for file in search.path.rglob("*") if file.is_file())
    assert left == [
        *("trials/t0001.1/result.json", "trials/t0001.12/result.json", "trials/t0001/result.json"),
        *("trials/t0010/checkpoint_000000/checkpoint.pt", "trials/t0010/result.json"),
        *("trials/t0011/checkpoint_000000/checkpoint.pt", "trials/t0011/result.json"),
    ]
