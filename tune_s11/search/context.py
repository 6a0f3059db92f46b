"""Holds the context that all steps of a search share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console

from tune_s11.results import SearchFolder, SearchResult, TrialResult, load_search, read_trials
from tune_s11.search.display import Display
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.workers.executor import Executor
from tune_s11.search.workers.parts import Failed
from tune_s11.search_space import SearchConfig
from tune_s11.storage.files import write_whole
from tune_s11.storage.workspace import Workspace
from tune_s11.text import say

if TYPE_CHECKING:  # Tune takes seconds to import, and workers that run no trials do not need it
    from ray.tune import Callback


@dataclass(frozen=True)
class Context:
    """A running search.

    Attributes:
        workspace: Search folder and its storage.
        config: Configuration of the search.
        executor: Executor for everything except the trials.
        console: Console to print to.
        display: Display of the search as a whole.
        callbacks: Additional Tune callbacks, called after the program's own.
    """

    workspace: Workspace
    config: SearchConfig
    executor: Executor
    console: Console
    display: Display = field(default_factory=lambda: Display(Console(quiet=True), {}))
    callbacks: "tuple[Callback, ...]" = ()

    @property
    def folder(self) -> SearchFolder:
        """Files of the search."""
        return SearchFolder(self.workspace.folder)

    def say(self, line: str, *, copied: bool = False) -> None:
        """Print one line for the user; see :func:`tune_s11.text.say`."""
        say(self.console, line, copied=copied)

    def trials(self) -> list[TrialResult]:
        """Return all trials as recorded on disk."""
        return read_trials(self.folder.path, self.config)

    def search(self) -> SearchResult:
        """Return the search as recorded on disk."""
        return load_search(str(self.folder.path), self.folder.path.parent)

    def say_repeated(self, part: str, reason: str) -> None:
        """Print that a part of a stage has failed and runs again."""
        self.say(f"{part} runs again: {reason}")

    def succeeded(self, parts: Sequence[str], results: Sequence[Any], *, needed: bool = True) -> list[Any]:
        """Replace the results of parts that have failed for good with None, and print a line for each.

        Args:
            parts: Names of the parts of the stage.
            results: Results of :meth:`tune_s11.search.workers.executor.Executor.run`.
            needed: Whether at least one part must have succeeded.

        Returns:
            The results, with None for the parts that have failed.

        Raises:
            SearchFailedError: All parts have failed, and one is needed.
        """
        failed = {part: result for part, result in zip(parts, results, strict=True) if isinstance(result, Failed)}
        if failed:
            write_whole(self.folder.error, "\n\n".join(each.traceback for each in failed.values()))
        lines = [f"{part} failed: {each.reason}" for part, each in failed.items()]
        if failed and needed and len(failed) == len(parts):
            raise SearchFailedError(f"{lines[-1]}; {self.folder.error} has the traceback")
        for line in lines:
            self.say(line)
        return [None if isinstance(result, Failed) else result for result in results]
