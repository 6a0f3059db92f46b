"""What the study proposes first, and that it records how each trial really ended."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from tune_s11.config import Recipe, SearchSettings
from tune_s11.results import TrialResult
from tune_s11.results.folder import LAYOUT
from tune_s11.search.study import Interrupted, Proposals, build_sampler, open_study, reconcile
from tune_s11.search.tune.searcher import StudySearcher
from tune_s11.storage.workspace import Local
from tune_s11.training.metrics import EpochMetrics

SPACE = {
    "max_lr": FloatDistribution(0.05, 1.5, log=True),
    "momentum": FloatDistribution(0.8, 0.98),
    "width": CategoricalDistribution([16, 32]),
}
SETTINGS = SearchSettings(samples=4)
EPOCHS = 3


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return open_study(tmp_path / "study.log", SETTINGS)


def searcher(study: optuna.Study, first: list[dict[str, Any]] | None = None, **others: Any) -> StudySearcher:
    return StudySearcher(study, Proposals(SPACE, tuple(first or [Recipe().model_dump()])), SETTINGS, EPOCHS, **others)


def row(epoch: int, score: float, diverged: bool = False) -> EpochMetrics:
    return EpochMetrics(epoch, 0.1, 0.5, 0.8, 0.5, score / 2, 0.5, score, 1.0, 1e3, diverged)


def report(rows: list[EpochMetrics]) -> dict[str, Any]:
    """As a worker sends it."""
    return {"epochs": [asdict(each) for each in rows]}


def test_what_to_try_first_comes_first_clipped_and_once(study: optuna.Study) -> None:
    first = [
        Recipe(max_lr=0.3, momentum=0.9, width=64).model_dump(),
        Recipe(max_lr=9.0, momentum=0.5, width=16).model_dump(),
        Recipe(max_lr=0.3, momentum=0.9, width=32).model_dump(),  # clipped, the first one again
    ]
    asked = searcher(study, first)
    proposed = [asked.suggest(f"id{k}") for k in range(3)]
    assert [it["number"] for it in proposed] == [0, 1, 2]
    assert proposed[0]["params"] == {"max_lr": 0.3, "momentum": 0.9, "width": 32}
    assert proposed[1]["params"] == {"max_lr": 1.5, "momentum": 0.8, "width": 16}
    assert proposed[2]["params"] != proposed[0]["params"]
    assert proposed[1]["seed"] == SETTINGS.seed + 1


def test_the_sampler_adds_what_is_left_out(study: optuna.Study) -> None:
    asked = searcher(study, [{"max_lr": 0.3}, {"max_lr": 0.4}])
    proposed = [asked.suggest(f"id{k}")["params"] for k in range(2)]
    assert [params["max_lr"] for params in proposed] == [0.3, 0.4]
    assert all(set(params) == set(SPACE) for params in proposed)
    assert proposed[0]["momentum"] != proposed[1]["momentum"]


def test_a_later_session_tries_nothing_first(study: optuna.Study) -> None:
    searcher(study).suggest("id0")
    again = searcher(study)
    assert again.suggest("id1")["params"] != study.trials[0].params
    assert len(study.trials) == 2


def test_a_later_session_does_not_propose_the_same_again(study: optuna.Study) -> None:
    settings = SearchSettings(samples=9, sampler="random")

    def session() -> list[dict[str, Any]]:
        asked = StudySearcher(study, Proposals(SPACE, ()), settings, EPOCHS)
        return [asked.suggest(f"id{len(study.trials)}")["params"] for _ in range(3)]

    first, second = session(), session()
    assert not [params for params in second if params in first]


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_the_largest_seed_suits_numpy_after_many_trials(sampler: str) -> None:
    build_sampler(SearchSettings.model_validate({"seed": 2**31 - 1, "sampler": sampler}), 3000)


def test_an_interrupted_trial_is_proposed_with_its_checkpoint(study: optuna.Study) -> None:
    trial = study.ask(SPACE)
    again = searcher(study, interrupted=[Interrupted(trial, "trials/t0000.1/checkpoint.pt", 2)]).suggest("id0")
    assert again == {
        "number": 0,
        "folder": "t0000.2",
        "params": trial.params,
        "seed": SETTINGS.seed,
        "checkpoint": "trials/t0000.1/checkpoint.pt",
    }


def test_nothing_waits_beyond_the_samples(study: optuna.Study) -> None:
    first = [Recipe(max_lr=0.1 * k).model_dump() for k in range(1, 10)]
    asked = searcher(study, first)
    for k in range(SETTINGS.samples):
        asked.suggest(f"id{k}")
    assert study.get_trials(states=(TrialState.WAITING,)) == []


@pytest.mark.parametrize(
    ("rows", "error", "state", "value"),
    [
        ([row(1, 0.2), row(2, 0.5), row(3, 0.7)], False, TrialState.COMPLETE, 0.7),
        ([row(1, 0.2), row(2, 0.5)], False, TrialState.PRUNED, 0.5),
        ([row(1, 0.2), row(2, 0.0, diverged=True)], False, TrialState.PRUNED, 0.0),
        ([row(1, 0.2)], True, TrialState.FAIL, None),
    ],
)
def test_each_end_is_told(
    study: optuna.Study, rows: list[EpochMetrics], error: bool, state: TrialState, value: float | None
) -> None:
    asked = searcher(study)
    asked.suggest("id0")
    asked.on_trial_result("id0", report(rows[:1]))
    asked.on_trial_complete("id0", report(rows), error=error)
    (told,) = study.trials
    assert told.state == state
    assert told.value == value
    assert told.intermediate_values == {it.epoch: it.score for it in rows}


def test_a_suggestion_and_a_report_are_written_once_each(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each write waits for the disk. One more asks for the trial, and two end it."""
    writes: list[int] = []
    write = JournalFileBackend.append_logs
    monkeypatch.setattr(
        JournalFileBackend, "append_logs", lambda self, logs: writes.append(len(logs)) or write(self, logs)
    )
    asked = searcher(study, [{"max_lr": 0.3}])
    del writes[:]  # what to try first
    asked.suggest("id")
    assert len(writes) == 2
    assert writes[1] >= len(SPACE)
    asked.on_trial_result("id", report([row(epoch, 0.5) for epoch in range(1, EPOCHS)]))
    assert writes[2:] == [EPOCHS - 1]


def test_a_trial_that_never_reported_failed(study: optuna.Study) -> None:
    asked = searcher(study)
    asked.suggest("id0")
    asked.on_trial_complete("id0", None, error=True)
    assert study.trials[0].state == TrialState.FAIL


def settled(study: optuna.Study, path: Path, *results: TrialResult) -> list[Interrupted]:
    return reconcile(study, Local(path, LAYOUT), results, EPOCHS, print)


def test_settling_tells_what_had_ended_and_gives_back_the_rest(study: optuna.Study, tmp_path: Path) -> None:
    asked = searcher(study)
    for k in range(3):
        asked.suggest(f"id{k}")
    complete = TrialResult(0, {}, Recipe(), 0, None, [row(k, 0.1 * k) for k in (1, 2, 3)], "complete")
    running = TrialResult(1, {}, Recipe(), 1, None, [row(1, 0.1)], "running")
    interrupted = settled(study, tmp_path, complete, running)
    assert [it.trial.number for it in interrupted] == [1, 2]
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.RUNNING, TrialState.RUNNING]
    assert study.trials[0].value == pytest.approx(0.3)
    resumed = searcher(study, interrupted=interrupted)
    assert [resumed.suggest(f"again{k}")["number"] for k in range(3)] == [1, 2, 3]


def test_what_a_kill_left_half_proposed_is_made_whole(study: optuna.Study, tmp_path: Path) -> None:
    half = study.ask()
    half.suggest_float("max_lr", 0.05, 1.5, log=True)
    params = searcher(study, interrupted=settled(study, tmp_path)).suggest("again")["params"]
    assert set(params) == set(SPACE)
    assert params["max_lr"] == half.params["max_lr"]
    assert study.trials[0].params == params
