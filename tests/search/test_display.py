"""The search as a whole on a terminal, wide or narrow, and in a log."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from tune_s11.results import SearchResult
from tune_s11.search import display as module
from tune_s11.search.display import Display, print_best, training_in
from tune_s11.search.forecast import Work
from tune_s11.search_space import load_space

WORK = {"range test": 1.0, "trials": 10.0, "finalists": 0.0, "refits": 9.0}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """``now``, in seconds, is what the display takes for the time."""
    time = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: time.now))
    return time


def screen(display: Display, width: int) -> list[str]:
    """The panel as a terminal of this width has it."""
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(display._panel())
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_the_panel_shows_stages_share_time_and_what_is_under_way(clock: SimpleNamespace) -> None:
    display = Display(Console(file=io.StringIO(), force_terminal=True, width=110), WORK)
    assert screen(display, 110)[0] == "[start] > range test > trials > refits > report"
    display.begin("trials")
    display.advance(0.1)
    assert display.left == ""
    clock.now += 60
    display.advance(0.4, "two of five")
    stages, bar, line = screen(display, 110)
    assert stages == "start > range test > [trials] > refits > report"
    assert bar.endswith(" 25% about 5 min 0 s left")  # 3 of 20 in a minute, 15 are left
    assert line == "two of five"
    display.begin("refits")
    display.advance(1.0)
    assert "100%" in screen(display, 110)[1]
    assert display.left == ""


def test_on_a_narrow_terminal_lines_are_cut_and_words_are_not_folded(clock: SimpleNamespace) -> None:
    display = Display(Console(file=io.StringIO(), force_terminal=True, width=30), WORK)
    display.begin("trials")
    display.advance(0.5, "a line that is longer than thirty characters")
    lines = screen(display, 30)
    assert len(lines) == 3
    assert max(map(len, lines)) <= 30
    assert lines[0] == "[trials], stage 3 of 5"
    assert lines[2] == "a line that is longer than th…"


def test_a_log_gets_a_line_in_each_quarter(clock: SimpleNamespace) -> None:
    out = io.StringIO()
    with Display(Console(file=out, width=1000), WORK) as display:
        display.begin("refits")
        for percent in range(0, 101, 5):
            clock.now += 10
            display.advance(percent / 100, f"{percent} per cent")
    assert out.getvalue().splitlines() == [
        "25 per cent, about 2 min 30 s left",
        "50 per cent, about 1 min 40 s left",
        "75 per cent, about 50 s left",
    ]


def test_no_colour_is_asked_for_where_nobody_wants_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    display = Display(Console(file=out, force_terminal=True, width=80), WORK)
    display.begin("trials")
    display.console.print(display._panel())
    assert "[trials]" in out.getvalue()
    assert "\x1b[3" not in out.getvalue()


def test_training_is_told_in_epochs_of_a_trial() -> None:
    config = load_space("quick").with_overrides({"refit.width": "16", "search.finalist_seeds": "2"})
    work = training_in(Work(samples=8, ramps=1, finalists=2, refits=3, lengths=(6, 9)), config)
    # Of two trials that begin one trains from epoch 4 on, of those again one from epoch 8 on, of 12: 7 epochs each.
    expected = {"range test": 1, "trials": 56, "finalists": 48, "target": 30, "refits": 3 * 12 * 4 / 0.8}
    assert work == pytest.approx(expected)

    more = config.with_overrides({"train_images": "500", "refit.train_images": "1000"})
    assert training_in(Work(samples=0, ramps=0, finalists=0, refits=3), more)["refits"] == pytest.approx(360)


def test_a_stage_that_nobody_expected_is_shown_too() -> None:
    display = Display(Console(file=io.StringIO(), force_terminal=True, width=20), {"trials": 3.0})
    display.begin("refits")
    display.advance(0.5)
    assert screen(display, 20)[0] == "[refits], stage 3 o…"


def test_a_stage_that_nobody_expected_comes_in_its_order() -> None:
    display = Display(Console(file=io.StringIO()), {"trials": 9.0, "finalists": 0.0, "refits": 3.0})
    display.begin("finalists")
    display.advance(0.5)
    assert (display._done(), sum(display._work.values())) == (9.5, 13.0)
    display.begin("refits")
    assert display._done() == 10.0


def trial(number: int, score: float, state: str = "complete") -> Any:
    params = {"max_lr": 0.123456, "momentum": 0.9, "weight_decay": 0.0005, "min_lr_fraction": 0.001}
    return SimpleNamespace(name=f"t{number:04}", number=number, score=score, state=state, params=params)


def searched(trials: list[Any], winner: Any = None) -> Any:
    ranked = SearchResult(Path(), load_space("quick"), {}, trials).ranked
    return SimpleNamespace(ranked=ranked, winner=winner, finalists=None)


def best(console: Console, search: Any) -> list[str]:
    print_best(console, search)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_the_five_best_are_listed_at_the_end() -> None:
    trials = [trial(number, number / 10) for number in range(7)] + [trial(7, 0.9, "pruned")]
    search = searched(trials, trials[5])
    lines = best(Console(file=io.StringIO(), width=40), search)  # of a log, whose width is nobody's
    assert lines[0].split() == ["best", "trials", "validation", "parameters"]
    assert [line[:11].rstrip() for line in lines[1:]] == ["t0006", "t0005 won", "t0004", "t0003", "t0002"]
    assert lines[1].endswith("max_lr 0.1235, momentum 0.9, weight_decay 0.0005, min_lr_fraction 0.001")

    verdict = SimpleNamespace(trials={"t0005": SimpleNamespace(mean=0.5123), "t0006": SimpleNamespace(mean=0.5)})
    lines = best(Console(file=io.StringIO(), width=40), SimpleNamespace(**vars(search) | {"finalists": verdict}))
    assert "run again" in lines[0]
    assert "0.5123" in lines[2]


def test_words_of_the_list_stay_whole_on_a_narrow_terminal() -> None:
    search = searched([trial(0, 0.5)])
    words = " ".join(
        best(Console(file=io.StringIO(), force_terminal=True, color_system=None, width=50), search)
    ).split()
    assert {"t0000", "0.5000", "max_lr", "0.1235,", "momentum", "min_lr_fraction", "0.001"} <= set(words)


def test_without_a_complete_trial_there_is_no_list() -> None:
    search = searched([trial(0, 0.5, "failed")])
    assert best(Console(file=io.StringIO(), width=80), search) == []
