"""The trials of a session: the table on a terminal, and lines in a log."""

import io
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from tune_s11.search.callbacks.progress import SHOWN, SearchProgress, better
from tune_s11.search.display import Display
from tune_s11.training.metrics import EpochMetrics


@pytest.mark.parametrize(("running", "ended", "shown"), [(2, 30, 10), (12, 30, 0), (20, 30, 0), (0, 3, 3)])
def test_the_table_holds_twelve_trials_and_the_summary(running: int, ended: int, shown: int) -> None:
    display, screen = Display(Console(file=io.StringIO(), force_terminal=True), {"trials": 1.0}), io.StringIO()
    progress = SearchProgress(display, 99, 0, None, 24)
    progress._running = {
        str(number): {"name": f"r{number:03}", "number": number, "epoch": 1} for number in range(running)
    }
    progress._ended = [(f"e{number:03}", "complete", "24/24", "0.9", "") for number in range(ended)]
    Console(file=screen).print(progress._panel())
    words = screen.getvalue().split()
    assert sum(word.startswith("r0") for word in words) == min(running, SHOWN)
    assert [word for word in words if word.startswith("e0")] == [
        f"e{number:03}" for number in range(ended - 1, ended - 1 - shown, -1)
    ]
    assert f"{running} running" in screen.getvalue()


def trial(number: int, error: Path | None = None) -> Any:
    return SimpleNamespace(trial_id=str(number), config={"number": number}, error_file=str(error))


def report(progress: SearchProgress, number: int, **scores: float) -> None:
    rows = [
        EpochMetrics(int(name[1:]), 0.1, 1.0, 0.5, 1.0, 0.5, 1.0, score, 1.0, 0.0, False)
        for name, score in scores.items()
    ]
    progress.on_trial_result(0, [], trial(number), {"epochs": [asdict(row) for row in rows]})


def test_a_log_says_how_each_trial_ended_and_where_it_stood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Display, "left", "about 3 s left")
    out, error = io.StringIO(), tmp_path / "error.txt"
    error.write_text("ValueError: broken")
    with SearchProgress(Display(Console(file=out, width=1000), {}), 4, 1, (0.7, 0), 6, rungs=(2,)) as progress:
        for number in (1, 2, 3):
            progress.on_trial_start(0, [], trial(number))
        report(progress, 1, e1=0.1, e2=0.5)
        report(progress, 2, e1=0.2, e2=0.4)
        progress.on_trial_complete(0, [], trial(2))
        report(progress, 1, e6=0.8)
        progress.on_trial_complete(0, [], trial(1))
        progress.on_trial_error(0, [], trial(3, error))
    assert out.getvalue().splitlines() == [
        "t0002 pruned at epoch 2/6, validation 0.4000 (2 of 2 at epoch 2) | "
        "2/4 done (1 pruned), 2 running, best 0.7000 (t0000), about 3 s left",
        "t0001 complete at epoch 6/6, validation 0.8000 (1 of 2 at epoch 2) | "
        "3/4 done (1 complete, 1 pruned), 1 running, best 0.8000 (t0001), about 3 s left",
        "t0003 failed at epoch 0/6: ValueError: broken | "
        "4/4 done (1 complete, 1 pruned, 1 failed), 0 running, best 0.8000 (t0001)",
    ]


def test_a_terminal_shows_the_rank_of_what_runs() -> None:
    display, screen = Display(Console(file=io.StringIO(), force_terminal=True), {"trials": 6.0}), io.StringIO()
    with SearchProgress(display, 2, 0, None, 6, rungs=(2, 4)) as progress:
        for number, score in ((0, 0.6), (1, 0.7)):
            progress.on_trial_start(0, [], trial(number))
            report(progress, number, e2=score)
        Console(file=screen, width=110).print(display._panel())
    lines = screen.getvalue().splitlines()
    assert "[trials]" in lines[0]
    assert "33%" in lines[1]
    assert lines[3].split() == ["t0000", "running", "2/6", "0.6000", "2", "of", "2", "at", "epoch", "2"]
    assert lines[4].split() == ["t0001", "running", "2/6", "0.7000", "1", "of", "2", "at", "epoch", "2"]


def test_of_equal_trials_the_earlier_is_the_best_whichever_ends_first() -> None:
    """As it is the winner: ``SearchResult.contenders``."""
    assert better(None, (0.0, 3)) == (0.0, 3)
    for order in ([1, 4, 2], [4, 2, 1]):
        output = io.StringIO()
        progress = SearchProgress(Display(Console(file=output, width=1000), {}), 5, 1, (0.5, 3), 6)
        for number in order:
            report(progress, number, e6=0.75 if number != 4 else 0.5)
            progress.on_trial_complete(0, [], trial(number))
        assert output.getvalue().splitlines()[-1].count("best 0.7500 (t0001)") == 1
