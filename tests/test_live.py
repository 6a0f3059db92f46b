"""A panel in a notebook: one output, updated while its text changes."""

import io
import threading
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from tune_s11 import live


class Output:
    """What a notebook shows, as IPython's handle of an output has it."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []
        self.changed = threading.Event()

    def display(self, bundle: dict[str, str], *, raw: bool, display_id: bool) -> "Output":
        assert raw
        assert display_id
        self.shown.append(bundle)
        return self

    def update(self, bundle: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.shown.append(bundle)
        self.changed.set()


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Output:
    made = Output()
    monkeypatch.setattr("IPython.display.display", made.display)
    monkeypatch.setattr(live, "SECONDS", 0.01)
    return made


@pytest.fixture
def notebook() -> Console:
    return Console(file=io.StringIO(), force_jupyter=True, width=40)


def test_a_notebook_has_one_output_that_changes_with_its_text(output: Output, notebook: Console) -> None:
    text = ["one"]
    panel = live.panel(notebook, lambda: Text(text[0], "bold red"))
    panel.start()
    assert [each["text/plain"] for each in output.shown] == ["one\n"]
    assert "<pre" in output.shown[0]["text/html"]
    assert "color" in output.shown[0]["text/html"]
    text[0] = "two"
    assert output.changed.wait(30)
    panel.stop()
    assert [each["text/plain"] for each in output.shown] == ["one\n", "two\n", ""]
    assert "\x1b" not in str(output.shown)


def test_bars_and_what_is_done_in_a_notebook(output: Output, notebook: Console) -> None:
    with live.progress_bars(notebook) as progress:
        progress.add_task("LR range test", total=4)
    with live.working(notebook, "timing steps"):
        pass
    texts: list[Any] = [each["text/plain"] for each in output.shown]
    assert texts[0] == "\n" or texts[0] == ""
    assert texts[-2:] == ["timing steps\n", ""]


def test_a_terminal_has_richs_own() -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, force_jupyter=False, width=40)
    with live.working(terminal, "timing steps"):
        pass
    assert "timing steps" in out.getvalue()
    assert type(live.panel(terminal, lambda: "text")).__name__ == "Live"
