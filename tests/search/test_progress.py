"""The live table holds twelve trials and the summary, however many run."""

import io

import pytest
from rich.console import Console

from tune_s11.search.progress import SHOWN, SearchProgress


@pytest.mark.parametrize(("running", "ended", "shown"), [(2, 30, 10), (12, 30, 0), (20, 30, 0), (0, 3, 3)])
def test_what_the_table_shows(running: int, ended: int, shown: int) -> None:
    console, screen = Console(file=io.StringIO(), force_terminal=True), io.StringIO()
    progress = SearchProgress(console, 99, 0, None, 24)
    progress._running = {str(number): {"name": f"r{number:03}", "epoch": 1} for number in range(running)}
    progress._ended = [(f"e{number:03}", "complete", "24/24", "0.9") for number in range(ended)]
    progress._draw()
    assert progress._live is not None
    Console(file=screen).print(progress._live.get_renderable())
    words = screen.getvalue().split()
    assert sum(word.startswith("r0") for word in words) == min(running, SHOWN)
    assert [word for word in words if word.startswith("e0")] == [
        f"e{number:03}" for number in range(ended - 1, ended - 1 - shown, -1)
    ]
    assert f"{running} running" in screen.getvalue()
