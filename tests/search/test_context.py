"""Parts of a stage that have failed for good are left out, a line each."""

from pathlib import Path

import pytest

from tests.search.begun import Search
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.workers.parts import Failed

FAILED = Failed("ValueError: no", "Traceback: no")


@pytest.fixture
def search(tmp_path: Path) -> Search:
    return Search(tmp_path)


def test_what_has_succeeded_stays(search: Search) -> None:
    assert search.context.succeeded(["refit 0", "refit 1"], [0.9, FAILED]) == [0.9, None]
    assert search.lines == ["refit 1 failed: ValueError: no"]
    assert search.context.folder.error.read_text() == "Traceback: no"


def test_without_failures_nothing_is_written(search: Search) -> None:
    assert search.context.succeeded(["refit 0"], [0.9]) == [0.9]
    assert search.lines == []
    assert not search.context.folder.error.exists()


def test_where_all_have_failed_the_search_ends_if_one_is_needed(search: Search) -> None:
    with pytest.raises(SearchFailedError, match=r"^refit 1 failed: ValueError: no; .* has the traceback$"):
        search.context.succeeded(["refit 0", "refit 1"], [FAILED, FAILED])
    assert search.context.succeeded(["finalist"], [FAILED], needed=False) == [None]


def test_a_part_that_runs_again_is_a_line(search: Search) -> None:
    search.context.say_repeated("refit 0", "its worker died")
    assert search.lines == ["refit 0 runs again: its worker died"]
