"""The study's file: as a full disk, a kill or a bad sector leaves it, and written several entries at once."""

from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import InMemoryStorage

from tune_s11.config import InputError, SearchSettings
from tune_s11.search.journal import Journal, mend_journal, together
from tune_s11.search.study import open_study

SPACE = {"momentum": FloatDistribution(0.8, 0.98)}
SETTINGS = SearchSettings(samples=4)
EPOCHS = 6


def values(path: Path) -> list[float | None]:
    return [trial.value for trial in open_study(path, SETTINGS).trials]


def test_a_whole_journal_stays_as_it_is(journal: Path, tmp_path: Path) -> None:
    said: list[str] = []
    before = journal.read_bytes()
    mend_journal(journal, said.append)
    mend_journal(tmp_path / "none.log", said.append)
    assert journal.read_bytes() == before
    assert said == []


@pytest.mark.parametrize("cut", [2, 20, 60])
@pytest.mark.parametrize("tail", [b"", b"\0" * 40, b"\n"], ids=["cut short", "zeros after it", "a line's end after it"])
def test_a_half_line_goes_and_what_follows_is_kept(journal: Path, cut: int, tail: bytes) -> None:
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-cut] + tail)
    said: list[str] = []
    mend_journal(journal, said.append)
    assert said == [f"{journal}: its last line is incomplete and ignored"]
    assert whole.startswith(journal.read_bytes())
    study = open_study(journal, SETTINGS)
    study.tell(study.ask(SPACE), 0.9)
    assert values(journal)[:2] == [0.5, 0.7]
    assert values(journal)[3] == 0.9


def test_the_lock_of_a_killed_session_goes(journal: Path, tmp_path: Path) -> None:
    """Also where the folder has been moved since, so that the lock, a link, leads nowhere."""
    journal.with_name("study.log.lock").symlink_to(tmp_path / "elsewhere" / "study.log")
    mend_journal(journal, print)
    study = open_study(journal, SETTINGS)
    study.tell(study.ask(SPACE), 0.9)
    assert values(journal) == [0.5, 0.7, 0.6, 0.9]


def test_an_earlier_line_that_is_damaged_is_named(journal: Path) -> None:
    lines = journal.read_bytes().split(b"\n")
    lines[3] = lines[3][:10]
    journal.write_bytes(b"\n".join(lines))
    with pytest.raises(InputError) as caught:
        mend_journal(journal, print)
    assert str(caught.value).startswith(f"{journal}: is damaged (line 4 is not JSON); ")
    assert journal.read_bytes() == b"\n".join(lines)


def test_entries_together_are_written_at_the_end_and_read_like_single_ones(tmp_path: Path) -> None:
    studies = [open_study(tmp_path / name, SETTINGS) for name in ("together", "single")]
    single = studies[1].ask()
    for epoch in range(1, EPOCHS + 1):
        single.report(epoch / 10, epoch)

    trial, file = studies[0].ask(), tmp_path / "together"
    before = file.read_bytes()
    with together(trial.storage):
        for epoch in range(1, EPOCHS + 1):
            trial.report(epoch / 10, epoch)
        assert file.read_bytes() == before
    assert len(file.read_bytes().splitlines()) == len(before.splitlines()) + EPOCHS
    for study in (studies[0], open_study(file, SETTINGS)):
        assert study.trials[0].intermediate_values == studies[1].trials[0].intermediate_values


def test_what_was_entered_before_an_error_is_kept(tmp_path: Path) -> None:
    trial = open_study(tmp_path / "study.log", SETTINGS).ask()

    def interrupted() -> None:
        with together(trial.storage):
            trial.report(0.5, 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert open_study(tmp_path / "study.log", SETTINGS).trials[0].intermediate_values == {1: 0.5}
    trial.report(0.6, 2)
    assert open_study(tmp_path / "study.log", SETTINGS).trials[0].intermediate_values == {1: 0.5, 2: 0.6}


def test_nothing_together_writes_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "study.log")
    with journal.together():
        pass
    assert (tmp_path / "study.log").read_bytes() == b""


def test_a_storage_in_memory_is_as_ever() -> None:
    storage = InMemoryStorage()
    trial = optuna.create_study(storage=storage).ask()
    with together(storage):
        trial.report(0.5, 1)
        assert storage.get_trial(trial._trial_id).intermediate_values == {1: 0.5}


def test_one_context_within_another_is_a_mistake(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "study.log")
    with journal.together(), pytest.raises(AssertionError), journal.together():
        pass
