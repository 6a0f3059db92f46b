"""Shows the progress of a whole search: a panel redrawn in place on a terminal, or an occasional line in a log."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from tune_s11.live import panel
from tune_s11.results import SearchResult
from tune_s11.search_space import SearchConfig
from tune_s11.text import format_seconds, say, short

if TYPE_CHECKING:  # it imports Tune, which takes seconds, and workers that run no trials do not need it
    from tune_s11.search.forecast import Work

QUARTERS = 4
"""Number of parts of a stage that prints nothing else; a log gets at most one line for each."""

BEST = 5
"""Number of trials listed at the end."""


def is_live(console: Console) -> bool:
    """Return whether a console can redraw a panel, as a terminal or a notebook can; a dumb terminal counts as a log."""
    return console.is_jupyter or (console.is_terminal and not console.is_dumb_terminal)


class Display:
    """A display of the current stage, how much of the search is done, and how long the rest may take.

    A separate thread draws the panel four times a second, so whatever it reads must be replaced as a whole, or copied
    first.

    Args:
        console: Console to print to.
        work: Work of each stage, in equivalents of a trial's epochs and in stage order; a stage without work is not
            shown until it begins.
    """

    def __init__(self, console: Console, work: Mapping[str, float]) -> None:
        self.console = console
        self._order = list(work)
        self._work = {stage: epochs for stage, epochs in work.items() if epochs}
        self._stage, self._share, self._line = "start", 0.0, ""
        self._spinner = Spinner("line")
        self._first: tuple[float, float] | None = None  # time of the first progress, and the work done then
        self._detail = self._last_line
        self._live = panel(console, self._panel) if is_live(console) else None

    def __enter__(self) -> "Display":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    @property
    def live(self) -> bool:
        """Whether there is a panel that is redrawn."""
        return self._live is not None

    @property
    def left(self) -> str:
        """Estimate of the time left for the search, such as ``about 12 min left``; empty while there is none.

        The speed is measured from the first progress on, which excludes the start of Ray and of the workers.
        """
        done, whole = self._done(), sum(self._work.values())
        since, before = self._first or (0.0, done)
        if not before < done < whole:
            return ""
        return f"about {format_seconds((time.monotonic() - since) * (whole - done) / (done - before))} left"

    def begin(self, stage: str, detail: Callable[[], RenderableType] | None = None) -> None:
        """Start a stage.

        Args:
            stage: Name of the stage.
            detail: Function that returns the panel's content for the stage; None: the last line passed to
                :meth:`advance`.
        """
        if stage not in self._work:  # only found during the search to be needed
            work, order = self._work | {stage: 1.0}, dict.fromkeys([*self._order, stage])
            self._work = {each: work[each] for each in order if each in work}
        self._stage, self._share, self._line = stage, 0.0, ""
        self._detail = detail or self._last_line

    def advance(self, share: float, line: str = "") -> None:
        """Set the share of the stage that is done.

        Args:
            share: Share from 0 to 1.
            line: Line to show; a log shows one per quarter.
        """
        quarter = int(QUARTERS * self._share)
        self._share, self._line = min(share, 1.0), line
        if self._first is None and share > 0:
            self._first = time.monotonic(), self._done()
        if line and not self._live and quarter < int(QUARTERS * self._share) < QUARTERS:
            say(self.console, ", ".join(filter(None, [line, self.left])))

    def _last_line(self) -> RenderableType:
        return one_line(self._line)

    def _done(self) -> float:
        """Return the part of this session's work that is done, in equivalents of a trial's epochs."""
        if self._stage not in self._work:
            return 0.0
        stages = list(self._work)
        before = stages[: stages.index(self._stage)]
        return sum(self._work[stage] for stage in before) + self._share * self._work[self._stage]

    def _panel(self) -> RenderableType:
        stages = ["start", *self._work, "report"]
        shown = Text(" > ").join(
            Text(f"[{stage}]", "bold") if stage == self._stage else Text(stage, "dim") for stage in stages
        )
        if shown.cell_len > self.console.width:
            shown = one_line(f"[{self._stage}], stage {stages.index(self._stage) + 1} of {len(stages)}")
        bar = Table.grid(padding=(0, 1))
        whole = sum(self._work.values()) or 1.0
        width = min(40, self.console.width // 3)
        bar.add_row(self._spinner, ProgressBar(whole, self._done(), width), f"{self._done() / whole:4.0%}", self.left)
        return Group(shown, bar, self._detail())


def one_line(line: str) -> Text:
    """Return a line of the panel, truncated to the width of the terminal."""
    return Text(line, no_wrap=True, overflow="ellipsis")


def training_in(work: "Work", config: SearchConfig) -> dict[str, float]:
    """Return the work left in a search by stage, in equivalents of a trial's epochs.

    The time of a step grows with the square of the network's width.
    """
    recipe, settings = config.recipe, config.search
    refit = config.refit.applied_to(recipe)
    images = 1 / (1 - recipe.val_fraction)
    if recipe.train_images and refit.train_images:
        images *= refit.train_images / recipe.train_images
    return {
        "range test": float(work.ramps + sum(map(sum, work.cycles))),  # a ramp has about an epoch's steps
        "trials": work.samples * recipe.epochs / config.policy.greatest_saving,
        "finalists": float(work.finalists * settings.finalist_seeds * recipe.epochs),
        "target": float(sum(work.lengths) * settings.finalist_seeds),
        "refits": work.refits * refit.epochs * images * (refit.width / recipe.width) ** 2,
    }


def print_best(console: Console, search: SearchResult) -> None:
    """Print a table of the best complete trials, and of the winner if it is not among them.

    Words are never split, however narrow the terminal is.
    """
    ranked = [trial for rank, trial in enumerate(search.ranked) if rank < BEST or trial == search.winner]
    if not ranked:
        return
    again = search.finalists.trials if search.finalists is not None else {}
    table = Table(box=None, pad_edge=False)
    for header in ("best trials", "validation", *(["run again"] if again else [])):
        table.add_column(header, no_wrap=True)
    table.add_column("parameters")
    for trial in ranked:
        scores = f"{again[trial.name].mean:.4f}" if trial.name in again else ""
        table.add_row(
            trial.name + (" won" if search.winner == trial else ""),
            f"{trial.score:.4f}",
            *([scores] if again else []),
            ", ".join(f"{name} {short(value)}" for name, value in trial.params.items()),
        )
    if not console.is_terminal:  # in a file or a pipe, lines need no wrapping
        console = Console(file=console.file, width=200, highlight=False, quiet=console.quiet)
    console.print(table)
