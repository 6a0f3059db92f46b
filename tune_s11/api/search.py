"""Runs searches from Python; the command line uses the same code."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console

from tune_s11 import results
from tune_s11.api.arguments import best_of, check_arguments, named, with_lr_bounds
from tune_s11.api.reading import RESULTS, SearchSnapshot, load_search
from tune_s11.config import InputError
from tune_s11.hardware import Compile, Precision
from tune_s11.results import SearchFolder, SearchResult
from tune_s11.results.opening import UnknownNameError, begin, check_name, resume
from tune_s11.search_space import SearchConfig, load_space
from tune_s11.storage.disk import describe_disk_error
from tune_s11.storage.remote import Remote, Storage, parse_storage
from tune_s11.storage.workspace import Workspace
from tune_s11.tracking.record import tracker_of
from tune_s11.tracking.trackers import TrackerName, tracker_name

if TYPE_CHECKING:  # Ray takes seconds to import
    from tune_s11.search.session import Session
    from tune_s11.search.workers.cluster import Resources


@dataclass(frozen=True)
class Search:
    """A search to run, as the command line's ``search`` runs it. A search that has already started is resumed.

    What is searched; a resumed search keeps it:

    Attributes:
        name: Name of the results folder.
        space: Name of a shipped space file, path of a space file, or a configuration that was read from one. None: the
            space that the search started with, or ``s11`` for a new search.
        settings: Changes to the space file: recipe fields, ``search.FIELD``, ``refit.FIELD``. A resumed search may have
            more ``search.samples`` and another ``search.target``; if no target is given, it keeps its own.
        lr_bounds: Lowest and highest ``max_lr``, in place of a range test.
        warm_start: Name, path or address of a search whose best recipes are tried after the first, as far as the
            samples of this session go.

    Where the results are:

    Attributes:
        storage: Parent of the results: a folder, or an address such as ``s3://BUCKET/searches``.
        resume: Whether the search must have started (True) or must be new (False); None: either.

    How it runs; of these a resumed search keeps precision, tracker and, on GPUs, ``compiled``, unless another is given:

    Attributes:
        gpus: GPUs to use, at most; None: all there are; 0: the CPU.
        trials_per_gpu: Trials that share a GPU; ``auto``: the number with the highest throughput, by steps timed here.
        workers: Trials at a time on CPUs; None: 2 on each machine.
        address: Address of a running Ray cluster, ``auto`` or HOST:PORT; None: RAY_ADDRESS if it is set, else this
            machine.
        precision: Precision to train with; ``auto``: bf16 if the device multiplies it natively.
        compiled: Whether trials train through ``torch.compile``; ``auto``: on GPUs, if it saves time.
        stall_timeout: Seconds after which a worker that reports nothing is killed; None: 20 times the longest report,
            at least 600; before the first one 4 hours.
        budget: Time limit in seconds, report included; running the same search again does the rest. None: no limit.
        track: Tracker that trials and refits are also sent to; ``none``: no tracker; None: the one that a resumed
            search has used.
        callbacks: ``ray.tune.Callback`` objects, called after the program's own.
    """

    name: str
    space: str | Path | SearchConfig | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    _: KW_ONLY
    lr_bounds: tuple[float, float] | None = None
    warm_start: str | Path | None = None
    storage: str | Storage = RESULTS
    resume: bool | None = None
    gpus: int | None = None
    trials_per_gpu: int | Literal["auto"] = 1
    workers: int | None = None
    address: str | None = None
    precision: Precision = "auto"
    compiled: Compile = "auto"
    stall_timeout: float | None = None
    budget: float | None = None
    track: TrackerName | Literal["none"] | None = None
    callbacks: Sequence[Any] = ()

    def __post_init__(self) -> None:
        check_arguments(vars(self))

    def run(self) -> SearchSnapshot:
        """Run the rest of the search, and write its report. Progress is shown in a terminal or a notebook.

        Raises:
            tune_s11.config.InputError: An argument is wrong, a search of that name has another configuration, or a disk
                is full; what is on disk is kept.
            tune_s11.search.failures.SearchFailedError: No trial is complete, or a worker fails.
            tune_s11.search.interruption.SearchInterruptedError: The search was interrupted; the same call resumes it.
        """
        opened = self.opened(Console(highlight=False))
        with opened.explained():
            opened.write_report(opened.run())
            opened.workspace.finish()
        return load_search(opened.path)

    def forecast(self) -> None:
        """Print what is left and its estimated cost, by steps timed here. Nothing is written, but see :meth:`opened`.

        Raises:
            tune_s11.config.InputError: An argument is wrong.
        """
        opened = self.opened(Console(highlight=False))
        with opened.explained():
            opened.forecast()

    def opened(self, console: Console) -> "OpenedSearch":
        """Check the arguments, and find or choose the folder. Nothing is written, but a search in a storage is pulled.

        Args:
            console: Console that the search prints to.

        Raises:
            tune_s11.search_space.NothingToSearchError: The space is empty.
            tune_s11.config.InputError: An argument is wrong.
        """
        begun = time.monotonic()
        if self.address is None and "RAY_ADDRESS" not in os.environ:
            # If Ray is started here, it must listen on loopback only; it reads this variable when it is imported.
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        from tune_s11.search.session import Session
        from tune_s11.search.workers.cluster import Resources

        storage = self.storage if isinstance(self.storage, Remote) else parse_storage(str(self.storage))
        workspace, so_far = self._started(storage)
        earlier = best_of(self.warm_start, storage) if so_far is None else so_far.warm_start
        config = self._config(so_far).checked_for_search()
        if workspace is None:
            workspace = begin(storage, check_name(self.name))
            if "working_dir_files" in workspace.folder.parts:  # where Ray unpacks the files of `ray job submit`
                raise InputError(
                    f"--storage {storage}: is inside this Ray job's temporary copy of the working directory; "
                    "expected an absolute path, such as a network mount that all nodes share"
                )
        tracker = tracker_of(SearchFolder(workspace.folder).tracked) if self.track is None else tracker_name(self.track)
        session = Session(
            workspace,
            config,
            precision=self.precision,
            compiled=self.compiled,
            console=console,
            warm_start=earlier,
            tracker=tracker,
            callbacks=tuple(self.callbacks),
            begun=begun,
        )
        shared = None if self.trials_per_gpu == "auto" else self.trials_per_gpu
        resources = Resources(self.address, self.gpus, self.workers, shared)
        return OpenedSearch(session, resources, self.stall_timeout, self.budget)

    def _started(self, storage: Storage) -> tuple[Workspace | None, SearchResult | None]:
        """Return the workspace of a search that has started, and its results; None and None for a new search."""
        if self.resume is False:
            return None, None
        try:
            workspace = resume(storage, self.name)
            return workspace, results.load_search(str(workspace.folder), workspace.folder.parent)
        except InputError as error:
            if self.resume:
                raise named("--resume", error) from None
            if isinstance(error, UnknownNameError):
                return None, None
            raise

    def _config(self, begun: SearchResult | None) -> SearchConfig:
        """Return the configuration to search with."""
        space = begun.config if self.space is None and begun is not None else self.space or "s11"
        config = space if isinstance(space, SearchConfig) else load_space(str(space))
        settings = {key: str(value) if isinstance(value, Path) else value for key, value in self.settings.items()}
        config = config.with_overrides(settings).with_absolute_paths() if settings else config.with_absolute_paths()
        if begun is not None and config.search.target is None and begun.config.search.target is not None:
            config = config.with_overrides({"search.target": begun.config.search.target})
        samples = config.search.samples
        if begun is not None and samples < (least := len(begun.trials)):
            raise InputError(f"--samples {samples}: {least} trials have started; expected {least} or more")
        return config if self.lr_bounds is None else with_lr_bounds(config, *self.lr_bounds)


@dataclass(frozen=True)
class OpenedSearch:
    """A :class:`Search` that has been checked, to be run in steps by :meth:`Search.run` or the command line.

    Attributes:
        session: Search in its folder.
        resources: Requested resources.
        stall_timeout: See :class:`Search`.
        budget: See :class:`Search`.
    """

    session: "Session"
    resources: "Resources"
    stall_timeout: float | None
    budget: float | None

    @property
    def workspace(self) -> Workspace:
        """Workspace of the search."""
        return self.session.workspace

    @property
    def path(self) -> Path:
        """Folder of the search on this machine; it need not exist yet."""
        return self.workspace.folder

    @contextmanager
    def explained(self, again: str = "the same call resumes it") -> Iterator[None]:
        """Run steps of the search within the block; errors are those of :meth:`Search.run`.

        Args:
            again: How to resume the search, for errors.
        """
        from tune_s11.search.failures import SearchFailedError
        from tune_s11.search.interruption import SearchInterruptedError, interruptible

        try:
            with interruptible():
                yield
        except (InputError, SearchFailedError, SearchInterruptedError):
            raise
        except Exception as error:
            trouble = describe_disk_error(error)
            if trouble is None:
                raise
            raise InputError(f"{trouble}; everything in {self.path} is kept; {again}") from None

    def run(self) -> SearchResult:
        """Run the rest of the search without the report."""
        return self.session.run(self.resources, self.stall_timeout, self.budget)

    def forecast(self) -> None:
        """See :meth:`Search.forecast`."""
        self.session.forecast(self.resources)

    def write_report(self, result: SearchResult, commands: Mapping[str, str] | None = None) -> Path:
        """Write the report on the search.

        Args:
            result: Result of :meth:`run`.
            commands: Shell commands to show in the report, by name.

        Returns:
            The path of the page.
        """
        from tune_s11.report import write_report  # imports matplotlib

        return write_report(result, commands=commands)
