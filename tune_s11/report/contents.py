"""What goes into the report: every number, every picture, and what could not be had, with the reason."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from matplotlib.figure import Figure

from tune_s11.results import SearchResult
from tune_s11.results.range_test import RangeTest

Result = TypeVar("Result")


class Contents:
    """A report before it is written, gathered from a search that may be finished, interrupted or running.

    The modules of :mod:`tune_s11.report.sections` fill it.

    Attributes:
        search: What is reported on.
        winner: Its best complete trial; None before the first.
        layer: Whose output the heat maps weigh; see :func:`tune_s11.report.gradcam.heat_maps`.
        commands: Shell commands to show: ``search`` repeats the search, ``winner`` its winner, ``resume`` resumes it.
            Any may be missing.
        range_test: Its LR range test; None where there is none.
        numbers: What ``report.json`` holds and the page's text shows, by section; None for one that is missing.
        figures: By file name.
    """

    def __init__(self, search: SearchResult, layer: str, commands: Mapping[str, str]) -> None:
        self.search, self.winner, self.layer, self.commands = search, search.winner, layer, commands
        self.range_test: RangeTest | None = None
        self.numbers: dict[str, Any] = {"not_shown": []}
        self.figures: dict[str, Figure] = {}

    def attempt(self, what: str, make: Callable[[], Result]) -> Result | None:
        """What ``make`` returns; where it fails, None, and a line on what could not be shown.

        A search that was killed may leave any part damaged, and a network of the user's own may raise
        anything. No such failure may take the rest of the report with it.
        """
        try:
            return make()
        except Exception as error:
            ours = type(error).__module__.startswith("tune_s11.")
            self.leave_out(what, str(error) if ours else f"{type(error).__name__}: {error}")
            return None

    def draw(self, name: str, what: str, make: Callable[[], Figure]) -> None:
        """Adds the picture ``name`` that ``make`` returns, or a line on why ``what`` could not be shown."""
        figure = self.attempt(what, make)
        if figure is not None:
            self.figures[name] = figure

    def leave_out(self, what: str, why: str) -> None:
        """Says what the report does not show."""
        self.numbers["not_shown"].append({"what": what, "why": " ".join(why.split())})
