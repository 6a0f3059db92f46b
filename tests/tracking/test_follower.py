"""A search's folder and a tracker that may fail at any call: whatever happens, it ends with what the folder holds."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tune_s11.results import SearchFolder
from tune_s11.tracking.follower import Follower
from tune_s11.tracking.record import SentRecord
from tune_s11.tracking.trackers import Row


class Kept:
    """A tracker in memory. It raises at the calls of these numbers, before or after it has done what was asked."""

    def __init__(self, failing: Mapping[int, bool] | None = None) -> None:
        self.runs: dict[str, Run] = {}
        self._failing, self.calls = failing or {}, 0

    def check(self) -> str:
        return ""

    def open(self, name: str, kind: str, params: Mapping[str, Any], id: str | None) -> "Run":
        run = Run(self, name, kind, params) if id is None else self.runs[id]
        with_id = id or f"id-{len(self.runs)}"
        self.call(lambda: self.runs.update({with_id: run}))
        run.id = with_id
        return run

    def call(self, action: Any) -> None:
        self.calls += 1
        before = self._failing.get(self.calls)
        if before is not True:
            action()
        if before is not None:
            raise ConnectionError("the server is away")

    def named(self) -> "dict[str, Run]":
        """Runs by name; of a name that was opened twice the last."""
        return {run.name: run for run in self.runs.values()}


class Run:
    id, epoch, left = "", 0, 0

    def __init__(self, tracker: Kept, name: str, kind: str, params: Mapping[str, Any]) -> None:
        self._tracker, self.name, self.kind, self.params = tracker, name, kind, params
        self.rows: list[Row] = []
        self.state: str | None = None

    def log(self, rows: Sequence[Row]) -> None:
        self._tracker.call(lambda: self.rows.extend(rows))

    def leave(self) -> None:
        self.left += 1

    def end(self, state: str) -> None:
        self._tracker.call(lambda: setattr(self, "state", state))


def follow(path: Path, tracker: Kept) -> Follower:
    folder = SearchFolder(path)
    return Follower(folder, tracker, SentRecord(folder.tracked, "wandb", "here"))


def test_every_trial_and_refit_is_a_run(search_path: Path, states: dict[str, tuple[int, str | None]]) -> None:
    tracker = Kept()
    follower = follow(search_path, tracker)
    follower.send()
    follower.leave()
    runs = tracker.named()
    assert [name for name, run in runs.items() if run.left] == ["t0004"]
    assert {name: (len(run.rows), run.state) for name, run in runs.items()} == states
    assert len(tracker.runs) == len(states)
    assert [epoch for epoch, _ in runs["t0000"].rows] == [1, 2, 3, 4, 5, 6]
    assert runs["t0000"].rows[-1][1]["accuracy/validation_averaged"] == 0.81
    trial, refit = runs["t0002"], runs["t0002-refit-0"]
    assert (trial.kind, trial.params["max_lr"], trial.params["width"], trial.params["seed"]) == ("trial", 0.4, 2, 42)
    assert (refit.kind, refit.params["max_lr"], refit.params["width"], refit.params["seed"]) == ("refit", 0.4, 3, 0)
    assert refit.params["trial"] == "t0002"
    scores = json.loads((search_path / "best/seed-0/scores.json").read_text())
    last = refit.rows[-1][1]
    assert (last["test_accuracy"], last["test_accuracy_raw"]) == (scores["ema"], scores["raw"])
    assert (last["accuracy/test_averaged"], last["accuracy/training"]) == (scores["ema"], pytest.approx(0.81))
    assert "accuracy/test" not in runs["t0002-refit-1"].rows[-1][1]


def test_what_has_grown_is_sent_by_the_next_pass_and_by_a_resumed_search(search_path: Path) -> None:
    reports = search_path / "trials/t0000/result.json"
    lines = reports.read_text().splitlines(keepends=True)
    tracker = Kept()
    reports.write_text(lines[0])
    follower = follow(search_path, tracker)
    for count in (1, 2):
        reports.write_text("".join(lines[:count]))
        follower.send()
        assert (len(tracker.named()["t0000"].rows), tracker.named()["t0000"].state) == (2 * count, None)
    reports.write_text("".join(lines))
    before = len(tracker.runs)
    follow(search_path, tracker).send()
    run = tracker.named()["t0000"]
    assert ([epoch for epoch, _ in run.rows], run.state) == ([1, 2, 3, 4, 5, 6], "complete")
    assert len(tracker.runs) == before


def test_epochs_that_are_trained_again_are_not_sent_again(search_path: Path) -> None:
    """An interrupted trial resumes from its checkpoint, which may lie before its last report."""
    tracker = Kept()
    follow(search_path, tracker).send()
    first = search_path / "trials/t0004"
    shutil.copytree(first, search_path / "trials/t0004.1")
    follow(search_path, tracker).send()
    assert [epoch for epoch, _ in tracker.named()["t0004"].rows] == [1, 2, 3]


def test_another_winner_s_refits_are_other_runs(search_path: Path) -> None:
    tracker = Kept()
    follow(search_path, tracker).send()
    metrics = search_path / "best/metrics.json"
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"trial": "t0000"}))
    follow(search_path, tracker).send()
    assert {"t0000-refit-0", "t0002-refit-0"} <= tracker.named().keys()


def test_refits_that_a_target_shortened_are_other_runs(search_path: Path) -> None:
    tracker = Kept()
    follow(search_path, tracker).send()
    metrics = search_path / "best/metrics.json"
    plain = json.loads(metrics.read_text())
    plain["recipe"]["epochs"] = 4
    metrics.write_text(json.dumps(plain))
    follow(search_path, tracker).send()
    assert {"t0002-refit-0", "t0002-refit-0-4-epochs"} <= tracker.named().keys()
    assert tracker.named()["t0002-refit-0-4-epochs"].params["epochs"] == 4


@settings(max_examples=30)
@given(failing=st.dictionaries(st.integers(1, 30), st.booleans(), min_size=1, max_size=8))
def test_whatever_fails_nothing_is_missing_at_the_end(
    pristine: Path, states: dict[str, tuple[int, str | None]], failing: dict[int, bool]
) -> None:
    tracker, told = Kept(failing), 0
    with TemporaryDirectory() as place:
        path = Path(place) / "own"
        shutil.copytree(pristine, path, ignore=shutil.ignore_patterns("*.pt", "*.npz"))
        for _ in range(len(failing) + 1):  # a session each
            try:
                follow(path, tracker).send()
                break
            except ConnectionError:
                told += 1
    for name, (epochs, state) in states.items():
        run = tracker.named()[name]
        assert (sorted({epoch for epoch, _ in run.rows}), run.state) == (list(range(1, epochs + 1)), state)
    # Sent twice is only what the tracker had taken when the answer was lost.
    lost = sum(not before for before in failing.values())
    assert len(tracker.runs) - len(states) <= lost
    assert told == sum(call <= tracker.calls for call in failing)
