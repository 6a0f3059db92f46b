"""What a session finds of an earlier one, before its trials go on."""

from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution

from tune_s11.config import InputError
from tune_s11.results import trial_folders
from tune_s11.search.study import open_study
from tune_s11.search.tuner import run_trials, set_aside_unknown
from tune_s11.search_space import load_space


def begin(path: Path, *folders: str) -> None:
    for folder in folders:
        (path / "trials" / folder / "checkpoint_000000").mkdir(parents=True)
        (path / "trials" / folder / "checkpoint_000000" / "checkpoint.pt").touch()
        (path / "trials" / folder / "result.json").write_text(folder)


def test_trials_that_the_study_does_not_know_are_set_aside_without_checkpoints(tmp_path: Path) -> None:
    begin(tmp_path, "t0000", "t0001", "t0001.1", "t0010")
    said: list[str] = []
    set_aside_unknown(tmp_path, None, 1, said.append)
    assert list(trial_folders(tmp_path)) == [0]
    assert (tmp_path / "trials" / "t0000" / "checkpoint_000000" / "checkpoint.pt").exists()
    kept = sorted(tmp_path.glob("unknown/*/*/*"))
    assert [file.read_text() for file in kept] == ["t0001", "t0001.1", "t0010"]
    assert [line.partition(":")[0] for line in said] == [f"{tmp_path}/trials/t0001", f"{tmp_path}/trials/t0010"]


def test_a_number_that_is_set_aside_twice_keeps_both(tmp_path: Path) -> None:
    for _ in range(2):
        begin(tmp_path, "t0000")
        set_aside_unknown(tmp_path, None, 0, print)
    assert len(list(tmp_path.glob("unknown/*/t0000/result.json"))) == 2


@pytest.mark.parametrize("state", ["missing", "empty"])
def test_trials_without_a_study_are_left_as_they_are(tmp_path: Path, state: str) -> None:
    begin(tmp_path, "t0000")
    journal = tmp_path / "study.log"
    if state == "empty":
        journal.touch()
    config = load_space("quick")
    with pytest.raises(InputError) as caught:
        run_trials(tmp_path, config, {}, [], None, None, "fp32", False, None, None, None, None)  # type: ignore[arg-type]
    assert str(caught.value) == (
        f"{journal}: is {state}; without it the search cannot go on, its trials can still be read"
    )
    assert list(trial_folders(tmp_path)) == [0]


def test_all_that_the_study_knows_stay(tmp_path: Path) -> None:
    study = open_study(tmp_path / "study.log", load_space("quick").search)
    for _ in range(2):
        study.ask({"momentum": FloatDistribution(0.8, 0.98)})
    begin(tmp_path, "t0000", "t0001")
    set_aside_unknown(tmp_path, None, len(study.trials), pytest.fail)
    assert list(trial_folders(tmp_path)) == [0, 1]
