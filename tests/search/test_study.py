"""A study and its trials' files as a full disk, a kill or a bad sector leaves them."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from tune_s11.config import InputError, Recipe, SearchSettings
from tune_s11.lr_range.bounds import LRBounds
from tune_s11.results import SearchFolder, TrialResult, read_trials
from tune_s11.results.folder import LAYOUT
from tune_s11.search.journal import mend_journal
from tune_s11.search.study import Interrupted, Proposals, open_study, reconcile
from tune_s11.search_space import load_space
from tune_s11.storage.mirror import Mirror
from tune_s11.storage.remote import Remote
from tune_s11.storage.workspace import Local, Workspace
from tune_s11.training.checkpoint import save_checkpoint
from tune_s11.training.metrics import EpochMetrics

SPACE = {"momentum": FloatDistribution(0.8, 0.98)}
SETTINGS = SearchSettings(samples=4)
EPOCHS = 6


def interrupted(path: Path) -> tuple[optuna.Study, Path]:
    """A study whose one trial was cut off after checkpoints of epochs 2 and 4."""
    study = open_study(path / "study.log", SETTINGS)
    study.ask(SPACE)
    for index, epoch in enumerate((2, 4)):
        folder = path / "trials" / "t0000" / f"checkpoint_{index:06d}"
        folder.mkdir(parents=True)
        save_checkpoint(folder / "checkpoint.pt", {"epoch": epoch, "padding": list(range(1000))})
    return study, folder / "checkpoint.pt"


def result(number: int, epochs: int) -> TrialResult:
    rows = [EpochMetrics(k, 0.1, 0.5, 0.8, 0.5, 0.4, 0.5, 0.5, 1.0, 1e3, False) for k in range(1, epochs + 1)]
    state = "complete" if epochs == EPOCHS else "running"
    return TrialResult(number, {}, Recipe(), number, None, rows, state)


def settled(
    study: optuna.Study, place: Path | Workspace, *results: TrialResult, say: Callable[[str], None] = print
) -> list[Interrupted]:
    workspace = Local(place, LAYOUT) if isinstance(place, Path) else place
    return reconcile(study, workspace, results, EPOCHS, say)


def damage(file: Path, how: str) -> None:
    content = bytearray(file.read_bytes())
    if how == "truncated":
        del content[len(content) // 2 :]
    elif how == "emptied":
        content.clear()
    else:
        content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("how", ["truncated", "emptied", "a bit flipped"])
def test_of_damaged_checkpoints_the_last_good_one_is_used_and_that_is_said(tmp_path: Path, how: str) -> None:
    study, last = interrupted(tmp_path)
    damage(last, how)
    said: list[str] = []
    (again,) = settled(study, tmp_path, result(0, 4), say=said.append)
    assert again.checkpoint == str(last.parents[1] / "checkpoint_000000" / "checkpoint.pt")
    assert said == [f"{last}: cannot be read as a checkpoint; the trial resumes from epoch 2"]


def test_without_a_good_checkpoint_a_trial_begins_anew(tmp_path: Path) -> None:
    study, last = interrupted(tmp_path)
    for file in last.parents[1].glob("*/*"):
        damage(file, "truncated")
    said: list[str] = []
    (again,) = settled(study, tmp_path, result(0, 4), say=said.append)
    assert again.checkpoint is None
    assert len(said) == 2
    assert all(line.endswith("the trial resumes from epoch 0") for line in said)


def test_rows_that_an_ended_trial_has_lost_are_said(journal: Path, tmp_path: Path) -> None:
    said: list[str] = []
    study = open_study(journal, SETTINGS)
    assert settled(study, tmp_path, result(0, EPOCHS), result(1, 3), say=said.append) == []
    assert said == [
        f"{tmp_path}/trials/t0001: 3 of 6 epochs can be read; the trial counts, but cannot win",
        f"{tmp_path}/trials/t0002: 0 of 6 epochs can be read; the trial counts, but cannot win",
    ]
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert json.loads(journal.read_text().splitlines()[-1])


def test_a_trial_that_ended_in_the_study_does_not_stay_running_on_the_disk(journal: Path, tmp_path: Path) -> None:
    """Its last reports were lost, or the driver was killed between the study and the trial's error.txt."""
    folder = SearchFolder(tmp_path).trials / "t0001"
    folder.mkdir(parents=True)
    (folder / "params.json").write_text(json.dumps({"params": {}, "seed": 1}))
    config = load_space("quick")
    (trial,) = read_trials(tmp_path, config)
    assert trial.state == "running"
    settled(open_study(journal, SETTINGS), tmp_path, trial)
    (trial,) = read_trials(tmp_path, config)
    assert (trial.state, trial.error) == ("failed", "its last reports are lost")


def test_of_reports_lost_in_the_middle_the_last_one_still_counts(journal: Path, tmp_path: Path) -> None:
    said: list[str] = []
    whole = result(1, EPOCHS)
    gap = replace(whole, rows=[row for row in whole.rows if row.epoch not in {3, 4}])
    settled(open_study(journal, SETTINGS), tmp_path, result(0, EPOCHS), gap, result(2, EPOCHS), say=said.append)
    assert said == [f"{tmp_path}/trials/t0001: 4 of 6 epochs can be read; the trial counts"]


def test_only_the_checkpoint_to_resume_from_is_kept(tmp_path: Path) -> None:
    study, last = interrupted(tmp_path)
    later = tmp_path / "trials" / "t0000.1" / "checkpoint_000001"
    shutil.copytree(last.parent, later)
    (again,) = settled(study, tmp_path, result(0, 4))
    assert again.checkpoint is not None
    assert [str(file) for file in tmp_path.rglob("checkpoint.pt")] == [again.checkpoint]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_in_the_study_is_harmless_or_refused(journal: Path, place: float, bit: int) -> None:
    content = bytearray(journal.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    damaged = journal.with_name("damaged.log")
    damaged.write_bytes(content)
    with suppress(InputError):
        mend_journal(damaged, lambda line: None)
        open_study(damaged, SETTINGS)


class Bomb:
    """Leaves a file behind where it is unpickled by running what it says."""

    def __init__(self, crater: Path) -> None:
        self.crater = crater

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.crater,)


def test_a_bomb_placed_as_the_last_checkpoint_is_passed_over(tmp_path: Path) -> None:
    study, last = interrupted(tmp_path)
    torch.save({"epoch": 4, "model": Bomb(tmp_path / "crater")}, last)
    said: list[str] = []
    (again,) = settled(study, tmp_path, result(0, 4), say=said.append)
    assert again.checkpoint == str(last.parents[1] / "checkpoint_000000" / "checkpoint.pt")
    assert said == [f"{last}: cannot be read as a checkpoint; the trial resumes from epoch 2"]
    assert not (tmp_path / "crater").exists()
    torch.load(last, weights_only=False)
    assert (tmp_path / "crater").exists()


@pytest.mark.parametrize(("rows", "epoch"), [([1, 2, 3, 4], 4), ([1, 2, 3], 2), ([1, 3, 4], None), ([], None)])
def test_no_checkpoint_beyond_rows_that_are_lost(tmp_path: Path, rows: list[int], epoch: int | None) -> None:
    study, last = interrupted(tmp_path)
    whole = result(0, 4)
    left = replace(whole, rows=[row for row in whole.rows if row.epoch in rows])
    (again,) = settled(study, tmp_path, left)
    files = {4: last, 2: last.parents[1] / "checkpoint_000000" / "checkpoint.pt"}
    assert again.checkpoint == (None if epoch is None else str(files[epoch]))


def test_workers_elsewhere_read_the_checkpoint_from_the_storage(tmp_path: Path) -> None:
    study, _ = interrupted(tmp_path)
    (again,) = settled(study, Mirror(tmp_path, Remote("s3://bucket/a"), LAYOUT), result(0, 4))
    assert again.checkpoint == "s3://bucket/a/trials/t0000/checkpoint_000001/checkpoint.pt"


RATES = {"max_lr": FloatDistribution(0.1, 1.0, log=True), "momentum": FloatDistribution(0.0, 0.98)}
AT_09 = LRBounds(0.1, 1.0, 0.3, 0.001, {}, momentum=0.9)


@given(max_lr=st.floats(0.1, 1.0), momentum=st.floats(0.0, 0.98))
def test_max_lr_of_the_study_is_that_at_the_momentum_of_the_bounds(max_lr: float, momentum: float) -> None:
    proposals = Proposals(RATES, (), AT_09)
    fields = proposals.fields({"max_lr": max_lr, "momentum": momentum})
    assert fields == {"max_lr": pytest.approx(max_lr * ((1 - momentum) / 0.1) ** 0.5), "momentum": momentum}
    assert proposals.params(fields) == pytest.approx({"max_lr": max_lr, "momentum": momentum})


def test_recipes_to_try_first_are_clipped_where_the_study_has_them() -> None:
    proposals, recipe = Proposals(RATES, (), AT_09), Recipe(max_lr=2.0, momentum=0.6)
    assert proposals.params(recipe.model_dump()) == {"max_lr": pytest.approx(1.0), "momentum": 0.6}
    assert proposals.params(recipe.model_copy(update={"max_lr": 9.0}).model_dump())["max_lr"] == 1.0


def test_without_a_momentum_of_bounds_or_trial_rates_stay_what_they_are() -> None:
    given_bounds = Proposals(RATES, (), None)
    assert given_bounds.fields({"max_lr": 0.5, "momentum": 0.6}) == {"max_lr": 0.5, "momentum": 0.6}
    fixed = Proposals({"max_lr": RATES["max_lr"]}, (), AT_09)
    assert fixed.fields({"max_lr": 0.5}) == {"max_lr": 0.5}
    assert fixed.params({"max_lr": 0.5}) == {"max_lr": 0.5}
