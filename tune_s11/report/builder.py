"""Collects the content of a report: all numbers and pictures, and what could not be shown, with the reason."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from matplotlib.figure import Figure

from tune_s11.config import Recipe
from tune_s11.report.tables import HeldOut, first_epoch
from tune_s11.results import RunResult, SearchResult, read_refits
from tune_s11.results.folder import RefitFolder
from tune_s11.results.lr_range import RangeTest, read_range_test
from tune_s11.results.records import Refits
from tune_s11.search_space import RANGE_TEST
from tune_s11.training.metrics import EpochMetrics

Result = TypeVar("Result")


@dataclass(frozen=True)
class Tested:
    """The training run whose test results the report shows."""

    folder: RefitFolder
    """Files of the run."""
    recipe: Recipe
    """Recipe that it was trained with."""
    seed: int
    """Seed of its training."""
    others: tuple[RefitFolder, ...] = ()
    """Folders of the other runs of this recipe that were tested."""


class ReportBuilder(ABC):
    """A report before it is written. The modules of :mod:`tune_s11.report.sections` fill it.

    Attributes:
        layer: Module from whose output heat maps are computed; see :func:`tune_s11.report.gradcam.heat_maps`.
        commands: Shell commands to show, by name.
        manifest: Provenance of the results; empty if the file is lost.
        target: Accuracy at which figures draw a line; None: no line.
        numbers: Numbers of ``report.json`` and of the page's text, by section; None for a missing section.
        figures: Figures by file name.
    """

    def __init__(
        self, layer: str | None, commands: Mapping[str, str], manifest: dict[str, Any], target: float | None
    ) -> None:
        self.layer, self.commands, self.manifest, self.target = layer, commands, manifest, target
        self.numbers: dict[str, Any] = {"not_shown": [], "target": None if target is None else {"line": target}}
        self.figures: dict[str, Figure] = {}

    @property
    @abstractmethod
    def trained(self) -> tuple[Recipe, Sequence[EpochMetrics]] | None:
        """Recipe and epochs of the training that the report is about; None before its first epoch."""

    @property
    @abstractmethod
    def tested(self) -> Tested | None:
        """Run that was tested; None if none was."""

    def attempt(self, what: str, make: Callable[[], Result]) -> Result | None:
        """Return the result of ``make``; if it fails, return None and add a line on what could not be shown.

        A search that was killed may leave any part damaged, and a user-defined network may raise anything. No such
        failure may prevent the rest of the report.
        """
        try:
            return make()
        except Exception as error:
            ours = type(error).__module__.startswith("tune_s11.")
            self.leave_out(what, str(error) if ours else f"{type(error).__name__}: {error}")
            return None

    def draw(self, name: str, what: str, make: Callable[[], Figure]) -> None:
        """Add the picture ``name`` that ``make`` returns, or a line on why ``what`` could not be shown."""
        figure = self.attempt(what, make)
        if figure is not None:
            self.figures[name] = figure

    def note_target(self, images: HeldOut, accuracies: Iterable[tuple[int, float | None]]) -> None:
        """Note the first epoch whose accuracy on these images reaches the target; see :func:`first_epoch`."""
        if self.target is not None:
            self.numbers["target"][images] = first_epoch(self.target, accuracies)

    def leave_out(self, what: str, why: str) -> None:
        """Add a line on what the report does not show, and why."""
        self.numbers["not_shown"].append({"what": what, "why": " ".join(why.split())})


class SearchBuilder(ReportBuilder):
    """The report on a search, which may be finished, interrupted or running.

    Attributes:
        search: The search.
        winner: Best complete trial of the search; None before the first.
        commands: ``search`` repeats the search, ``winner`` trains its winner, ``resume`` resumes it; all optional.
    """

    def __init__(
        self, search: SearchResult, layer: str | None, commands: Mapping[str, str], target: float | None
    ) -> None:
        super().__init__(layer, commands, search.manifest, target)
        self.search, self.winner = search, search.winner

    @property
    def trained(self) -> tuple[Recipe, Sequence[EpochMetrics]] | None:
        """The winner's recipe and epochs."""
        return None if self.winner is None else (self.winner.recipe, self.winner.rows)

    @cached_property
    def range_test(self) -> RangeTest | None:
        """LR range test of the search; None if there was none or it cannot be read."""
        path = self.search.folder.range_test
        if self.search.config.space.get("max_lr") != RANGE_TEST and not path.exists():
            self.leave_out("the range test", "there was none: the search was given max_lr or bounds for it")
            return None
        return self.attempt("the range test", lambda: read_range_test(path))

    @cached_property
    def refits(self) -> Refits | None:
        """Refits of the winner; None before they are finished."""
        if (winner := self.winner) is None:
            return None
        return self.attempt("the test accuracy", lambda: read_refits(self.search, winner))

    @property
    def tested(self) -> Tested | None:
        """First refit that has not diverged, if there is one; None before the refits are finished."""
        if self.refits is None or self.winner is None:
            return None
        seeds = [run.seed for run in sorted(self.refits.runs, key=lambda run: run.diverged)]
        first, *others = map(self.search.folder.refit, seeds)
        recipe = self.search.config.refit.applied_to(self.winner.recipe)  # with the current path of the data
        if recipe.epochs != self.refits.recipe.epochs:  # a target has shortened it
            recipe = recipe.resized(self.refits.recipe.epochs)
        return Tested(first, recipe, seeds[0], tuple(others))


class RunBuilder(ReportBuilder):
    """The report on a single run, which may be finished, interrupted or running.

    Attributes:
        result: The run.
        commands: ``resume`` resumes it. It may be missing.
    """

    def __init__(self, result: RunResult, layer: str | None, commands: Mapping[str, str], target: float | None) -> None:
        super().__init__(layer, commands, result.manifest, target)
        self.result = result

    @property
    def trained(self) -> tuple[Recipe, Sequence[EpochMetrics]] | None:
        """The run's recipe and epochs."""
        return (self.result.run.recipe, self.result.rows) if self.result.rows else None

    @property
    def tested(self) -> Tested | None:
        """The run, if it is one with ``--test``; otherwise None."""
        run = self.result.run
        return Tested(self.result.folder, run.recipe, run.seed) if run.options.test and self.result.rows else None
