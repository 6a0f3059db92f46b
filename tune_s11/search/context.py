"""What every step of a search works with."""

from dataclasses import dataclass, field

from ray.tune import Callback
from rich.console import Console

from tune_s11.results import SearchFolder, SearchResult, TrialResult, load_search, read_trials
from tune_s11.search.display import Display
from tune_s11.search.executor import Executor
from tune_s11.search_space import SearchConfig
from tune_s11.storage.workspace import Workspace
from tune_s11.text import say


@dataclass(frozen=True)
class Context:
    """A search under way.

    Attributes:
        workspace: Its folder, and the storage that keeps it.
        config: What is searched.
        executor: What it runs on.
        console: Where to print.
        display: What is shown of the search as a whole.
        callbacks: Of Tune, called after the program's own.
    """

    workspace: Workspace
    config: SearchConfig
    executor: Executor
    console: Console
    display: Display = field(default_factory=lambda: Display(Console(quiet=True), {}))
    callbacks: tuple[Callback, ...] = ()

    @property
    def folder(self) -> SearchFolder:
        """Its files."""
        return SearchFolder(self.workspace.folder)

    def say(self, line: str, *, copied: bool = False) -> None:
        """Prints one line for the user, as :func:`tune_s11.text.say`."""
        say(self.console, line, copied=copied)

    def trials(self) -> list[TrialResult]:
        """All trials as they stand on disk."""
        return read_trials(self.folder.path, self.config)

    def search(self) -> SearchResult:
        """The search as it stands on disk."""
        return load_search(str(self.folder.path), self.folder.path.parent)
