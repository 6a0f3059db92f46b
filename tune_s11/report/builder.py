"""What goes into the report: every number, every picture, and what could not be had, with the reason."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from matplotlib.figure import Figure

from tune_s11.config import Recipe
from tune_s11.report.tables import HeldOut, first_epoch
from tune_s11.results import RunResult, SearchResult
from tune_s11.results.folder import RefitFolder
from tune_s11.results.lr_range import RangeTest

Result = TypeVar("Result")


@dataclass(frozen=True)
class Tested:
    """The training run whose test images the report shows.

    Attributes:
        folder: Its files.
        recipe: That it was trained with.
        seed: Of its training.
        others: Folders of the other runs of this recipe that were tested.
    """

    folder: RefitFolder
    recipe: Recipe
    seed: int
    others: tuple[RefitFolder, ...] = ()


class ReportBuilder:
    """A report before it is written. The modules of :mod:`tune_s11.report.sections` fill it.

    Attributes:
        layer: Whose output the heat maps weigh; see :func:`tune_s11.report.gradcam.heat_maps`.
        commands: Shell commands to show, by name.
        manifest: Under what circumstances the results came about; empty where that is lost.
        target: Accuracy to draw a line at; None: no line.
        tested: What was tested; None before it is.
        numbers: What ``report.json`` holds and the page's text shows, by section; None for one that is missing.
        figures: By file name.
    """

    def __init__(self, layer: str, commands: Mapping[str, str], manifest: dict[str, Any], target: float | None) -> None:
        self.layer, self.commands, self.manifest, self.target = layer, commands, manifest, target
        self.tested: Tested | None = None
        self.numbers: dict[str, Any] = {"not_shown": [], "target": None if target is None else {"line": target}}
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

    def note_target(self, images: HeldOut, accuracies: Iterable[tuple[int, float | None]]) -> None:
        """Notes the first epoch whose accuracy on these images reaches the target; arguments as :func:`first_epoch`."""
        if self.target is not None:
            self.numbers["target"][images] = first_epoch(self.target, accuracies)

    def leave_out(self, what: str, why: str) -> None:
        """Says what the report does not show."""
        self.numbers["not_shown"].append({"what": what, "why": " ".join(why.split())})


class SearchBuilder(ReportBuilder):
    """The report on a search that may be finished, interrupted or running.

    Attributes:
        search: What is reported on.
        winner: Its best complete trial; None before the first.
        commands: ``search`` repeats the search, ``winner`` its winner, ``resume`` resumes it. Any may be missing.
        range_test: Its LR range test; None where there is none.
    """

    def __init__(self, search: SearchResult, layer: str, commands: Mapping[str, str], target: float | None) -> None:
        super().__init__(layer, commands, search.manifest, target)
        self.search, self.winner = search, search.winner
        self.range_test: RangeTest | None = None


class RunBuilder(ReportBuilder):
    """The report on a single run that may be finished, interrupted or running.

    Attributes:
        result: What is reported on.
        commands: ``resume`` resumes it. It may be missing.
    """

    def __init__(self, result: RunResult, layer: str, commands: Mapping[str, str], target: float | None) -> None:
        super().__init__(layer, commands, result.manifest, target)
        self.result = result
