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
"""Seconds between two checks for changes in a notebook's panel."""

_PAGE = '<pre style="white-space:pre;line-height:normal;font-family:monospace">{code}</pre>'


class Panel(Protocol):
    """An area that its own thread redraws in place from :meth:`start` until :meth:`stop` removes it."""

    def start(self) -> None:
        """Show the panel."""

    def stop(self) -> None:
        """Remove the panel."""


class NotebookPanel:
    """A panel in an output of a notebook cell, where Rich's own panel shows nothing without ipywidgets.

    Args:
        console: Console whose width the panel takes.
        get_renderable: Function that returns the contents; another thread calls it.
    """

    def __init__(self, console: Console, get_renderable: Callable[[], RenderableType]) -> None:
        self._width, self._get = console.width, get_renderable
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._redraw,), name="panel", daemon=True)

    def start(self) -> None:
        """Show the panel below the running cell."""
        from IPython.display import display

        self._shown = self._drawn()
        self._handle = display(self._shown, raw=True, display_id=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop redrawing, and leave an empty output."""
        self._stopped.set()
        self._thread.join()
        self._handle.update({"text/plain": ""}, raw=True)

    def _redraw(self) -> None:
        while not self._stopped.wait(SECONDS):
            if (drawn := self._drawn()) != self._shown:
                self._shown = drawn
                self._handle.update(drawn, raw=True)

    def _drawn(self) -> dict[str, str]:
        """Return the panel as plain text, and as HTML with colours."""
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
    """Return the kind of panel that fits a console: one for a notebook or one for a terminal.

    Args:
        console: Console to show the panel on.
        get_renderable: Function that returns the contents; another thread calls it.
    """
    if console.is_jupyter:
        return NotebookPanel(console, get_renderable)
    return Live(console=console, get_renderable=get_renderable, transient=True)


@contextmanager
def progress_bars(console: Console) -> Iterator[Progress]:
    """Show progress bars while the block runs, except where they cannot be redrawn, such as in a file."""
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
    """Show a status line while the block runs, in a terminal or a notebook."""
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
