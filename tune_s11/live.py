"""A panel that is redrawn in place, in a terminal or in a notebook."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import Progress
from rich.text import Text

SECONDS = 0.5
"""Between two looks whether a notebook's panel has changed."""

_PAGE = '<pre style="white-space:pre;line-height:normal;font-family:monospace">{code}</pre>'


class Panel(Protocol):
    """What is redrawn from :meth:`start` to :meth:`stop`, by a thread of its own, and vanishes then."""

    def start(self) -> None:
        """Show it."""

    def stop(self) -> None:
        """Remove it."""


class NotebookPanel:
    """One output of a cell, updated. Rich's own panel wants ipywidgets there, and shows nothing without.

    Args:
        console: Whose width the panel has.
        get_renderable: What it shows.
    """

    def __init__(self, console: Console, get_renderable: Callable[[], RenderableType]) -> None:
        self._width, self._get = console.width, get_renderable
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._redraw,), name="panel", daemon=True)

    def start(self) -> None:
        """Show it below the cell that runs."""
        from IPython.display import display

        self._shown = self._drawn()
        self._handle = display(self._shown, raw=True, display_id=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave an empty output."""
        self._stopped.set()
        self._thread.join()
        self._handle.update({"text/plain": ""}, raw=True)

    def _redraw(self) -> None:
        while not self._stopped.wait(SECONDS):
            if (drawn := self._drawn()) != self._shown:
                self._shown = drawn
                self._handle.update(drawn, raw=True)

    def _drawn(self) -> dict[str, str]:
        """The panel as text, and as HTML with its colours."""
        paper = Console(
            file=io.StringIO(),
            record=True,
            width=self._width,
            force_jupyter=False,
            force_terminal=True,
            highlight=False,
        )
        paper.print(self._get())
        text = paper.export_text(clear=False)
        return {"text/plain": text, "text/html": paper.export_html(inline_styles=True, code_format=_PAGE)}


def panel(console: Console, get_renderable: Callable[[], RenderableType]) -> Panel:
    """The panel that fits where a console prints: a notebook or a terminal.

    Args:
        console: Where to.
        get_renderable: What it shows; called by another thread.
    """
    if console.is_jupyter:
        return NotebookPanel(console, get_renderable)
    return Live(console=console, get_renderable=get_renderable, transient=True)


@contextmanager
def progress_bars(console: Console) -> Iterator[Progress]:
    """Bars while the block runs; none where they cannot be redrawn, as in a file."""
    progress = Progress(console=console, transient=True)
    if not console.is_jupyter:
        with progress:
            yield progress
        return
    shown = NotebookPanel(console, progress.get_renderable)
    shown.start()
    try:
        yield progress
    finally:
        shown.stop()


@contextmanager
def working(console: Console, what: str) -> Iterator[None]:
    """Says what is done while the block runs, in a terminal or a notebook."""
    if not console.is_jupyter:
        with console.status(what):
            yield
        return
    shown = NotebookPanel(console, lambda: Text(what))
    shown.start()
    try:
        yield
    finally:
        shown.stop()
