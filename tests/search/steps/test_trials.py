"""What a session finds of an earlier one, before its trials continue."""

from pathlib import Path

import pytest

from tests.search.begun import Search
from tune_s11.config import InputError


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
        f"{journal}: is {state}; without it the search cannot be resumed, but its trials can still be read"
    )
    assert search.trials == [0]


def test_all_that_the_study_knows_stay(search: Search) -> None:
    search.know(running=1)
    search.begin("t0000", "t0001")
    search.run()
    assert not [line for line in search.lines if "not in the study" in line]
    assert search.trials == [0, 1]
    assert not (search.path / "unknown").exists()
