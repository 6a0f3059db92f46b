"""One search from its configuration to its refit winner, each step skipped where an earlier session has done it."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ray
from ray import ObjectRef
from ray.exceptions import RayError
from ray.tune import Callback
from rich.console import Console

from tune_s11.config import InputError, Recipe
from tune_s11.data import Dataset
from tune_s11.hardware import Compile, Precision
from tune_s11.live import working
from tune_s11.results import SearchFolder, SearchResult, last_error, load_search, read_trials
from tune_s11.results.manifest import build_manifest, check_same_images
from tune_s11.search.autotune import Autotuner
from tune_s11.search.checkpoints import drop_needless_checkpoints
from tune_s11.search.context import Context
from tune_s11.search.display import Display, print_best, training_in
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.forecast import Budget, Forecast, Work, forecast
from tune_s11.search.inputs import SearchInputs
from tune_s11.search.resume_checks import check_same_search, earlier_manifest, only_session
from tune_s11.search.steps.finalists import choose_winner
from tune_s11.search.steps.lr_range import expected_cycles, find_proposals
from tune_s11.search.steps.refits import refit_winner
from tune_s11.search.steps.trials import Limits, run_trials
from tune_s11.search.study import mend_journal, open_study
from tune_s11.search.workers.cluster import Cluster, Resources, Workers, connect
from tune_s11.search.workers.executor import Executor
from tune_s11.search.workers.preflight import check_nodes, fingerprint
from tune_s11.search.workers.token import token_command
from tune_s11.search_space import RANGE_TEST, SearchConfig
from tune_s11.storage.disk import check_room, disk_trouble
from tune_s11.storage.files import write_whole
from tune_s11.storage.workspace import Workspace
from tune_s11.text import in_words, say
from tune_s11.tracking.process import tracked
from tune_s11.tracking.trackers import TrackerName


@dataclass(frozen=True)
class _Ready:
    """What a search runs with, once all has been checked.

    Attributes:
        inputs: Images and recipes.
        data: The trials' images, in the object store.
        cluster: Ray, connected.
        executor: What runs beside the trials.
        compiled: Whether trials train a compiled network.
    """

    inputs: SearchInputs
    data: ObjectRef
    cluster: Cluster
    executor: Executor
    compiled: bool


@dataclass(frozen=True)
class Session:
    """A search in its folder. :meth:`run` begins or resumes it.

    Attributes:
        workspace: The search folder, absolute, for trials run in folders of their own; and its storage.
        config: The search.
        precision: Requested.
        compiled: Whether trials train a compiled network; ``auto``: where it saves more than it takes.
        console: Where to print.
        warm_start: Recipes of an earlier search, which are tried after the range test's suggestion.
        tracker: Where trials and refits are sent while it runs; None: nowhere.
        callbacks: Of Tune, called after the program's own.
    """

    workspace: Workspace
    config: SearchConfig
    precision: Precision
    compiled: Compile
    console: Console
    warm_start: tuple[Recipe, ...] = ()
    tracker: TrackerName | None = None
    callbacks: tuple[Callback, ...] = ()

    @property
    def folder(self) -> SearchFolder:
        """Its files."""
        return SearchFolder(self.workspace.folder)

    def say(self, line: str, *, copied: bool = False) -> None:
        """Prints one line for the user, as :func:`tune_s11.text.say`."""
        say(self.console, line, copied=copied)

    def run(self, asked: Resources, stall_timeout: float | None = None, budget: float | None = None) -> SearchResult:
        """Runs what is left of the search.

        Nothing is written before the input has been checked and the resources found.

        Args:
            asked: What is to run it.
            stall_timeout: As :class:`tune_s11.search.steps.trials.Limits`.
            budget: Seconds in which all is to be done; where that leaves trials unfinished, a resumed search runs
                them. None: what it takes.

        Raises:
            InputError: Something the user gave is wrong.
            SearchFailedError: No trial is complete, or a worker fails.
            SearchInterruptedError: It was asked to stop.
        """
        path, begun = self.folder.path, time.monotonic()
        fresh = not path.exists()
        with (
            Display(self.console, training_in(self._work_left(), self.config)) as display,
            nullcontext() if fresh else only_session(path),
            tracked(self.tracker, self.folder, partial(self.say, copied=True)) as track,
            self._ready(asked, self.workspace.seen_by_nodes, budget or math.inf, stall_timeout) as ready,
        ):
            limits = Limits(
                stall_timeout, None if budget is None else Budget.within(budget, begun, self._forecast(ready))
            )
            with self._in_new_folder() if fresh else nullcontext():
                self._begin(ready.inputs.dataset)
                self._describe(ready)
                if ready.cluster.dashboard:
                    where = f"{ready.cluster.dashboard} (asks for a token; `{token_command()}` prints it)"
                    self.say(f"dashboard: {where}")
                track()
                with self._explained(), self.workspace.copying(self.say):
                    self._run_steps(ready, limits, display)
        result = load_search(str(path), path.parent)
        print_best(self.console, result)
        return result

    def _run_steps(self, ready: _Ready, limits: Limits, display: Display) -> None:
        """The README's steps, but for the last, the report, which needs no Ray."""
        context = Context(self.workspace, self.config, ready.executor, self.console, display, self.callbacks)
        proposals = find_proposals(context, ready.data, self.warm_start)  # 1. LR range test
        run_trials(context, ready.data, proposals, limits, compiled=ready.compiled)  # 2. trials, 3. pruning
        drop_needless_checkpoints(context)
        if limits.budget is not None:
            self._say_unfinished(context)
        winner = choose_winner(context, ready.data)  # 4. finalists
        refit_winner(context, winner, ready.inputs)  # 5. refit

    def forecast(self, asked: Resources) -> None:
        """Prints what is left of the search and what it will cost. Writes nothing.

        Args:
            asked: What would run it.

        Raises:
            InputError: Something the user gave is wrong.
        """
        with working(self.console, "timing steps"), self._ready(asked, None, math.inf) as ready:
            self._describe(ready)
            expected = self._forecast(ready)
        for line in expected.lines():
            self.say(line)
        self.say(f"  disk      up to {in_words(self._bytes_needed(ready.inputs, ready.cluster.workers))}")
        self.say("nothing was begun (--dry-run)")

    @contextmanager
    def _ready(
        self, asked: Resources, seen_by_all: Path | None, seconds: float, stall_timeout: float | None = None
    ) -> Iterator[_Ready]:
        """All that is checked, found and decided before anything begins.

        Args:
            asked: As :meth:`run`.
            seen_by_all: The folder that all nodes have to see; None: there is none.
            seconds: That the search may take.
            stall_timeout: As :meth:`run`.
        """
        inputs = self._checked()
        with connect(asked) as cluster:
            check_room(self.folder.path, self._bytes_needed(inputs, cluster.workers))
            # Once: each node fetches it when it first needs it, and its workers read that copy.
            data = ray.put(inputs.data)
            check_nodes(cluster.nodes, seen_by_all, inputs.recipe, data, fingerprint(inputs.data))
            assert inputs.data.validation is not None
            autotuner = Autotuner(self.config, data, len(inputs.data.validation), self.precision)
            if asked.trials_per_gpu is None:
                cluster = autotuner.shared(cluster)
                if cluster.workers.gpus:
                    share = round(1 / cluster.workers.gpus)
                    self.say(f"trials a GPU: {share}, which get most done by steps timed here")
            executor = Executor(cluster.workers, self.precision, stall_timeout, self.config.search.max_failures)
            yield _Ready(inputs, data, cluster, executor, self._compiles(autotuner, cluster.workers, seconds))

    def _checked(self) -> SearchInputs:
        """What the search works on, once it is sure that it is what it began with."""
        path = self.folder.path
        before = earlier_manifest(self.folder)
        if before is not None:
            check_same_search(self.folder, self.config, before)
        inputs = SearchInputs.checked(self.config)
        if before is not None:
            check_same_images(path.name, inputs.dataset, before)
        check_room(path, 0)
        return inputs

    def _bytes_needed(self, inputs: SearchInputs, workers: Workers) -> int:
        return inputs.bytes_needed(workers, self.config.search.refit_seeds)

    def _forecast(self, ready: _Ready) -> Forecast:
        """Of the trials that have not ended, and what comes after them."""
        return forecast(
            ready.executor, self.config, ready.inputs, ready.data, self._work_left(), compiled=ready.compiled
        )

    def _work_left(self) -> Work:
        settings, path = self.config.search, self.folder.path
        so_far = SearchResult(path, self.config, {}, read_trials(path, self.config))
        samples = settings.samples - sum(trial.state != "running" for trial in so_far.trials)
        # While trials are to come there may be as many finalists as there are to be.
        contenders = min(settings.finalists, settings.samples) if samples else len(so_far.contenders)
        asked = [name for name, domain in self.config.space.items() if domain == RANGE_TEST and so_far.bounds is None]
        return Work(
            samples=samples,
            ramps=settings.lr_range_seeds if "min_lr_fraction" in asked else 0,
            cycles=expected_cycles(self.config) if asked else (),
            finalists=contenders if contenders > 1 and (samples or so_far.finalists is None) else 0,
            refits=settings.refit_seeds if samples or so_far.refit is None else 0,
        )

    def _compiles(self, autotuner: Autotuner, workers: Workers, seconds: float) -> bool:
        """Whether the trials to come train a compiled network: if nobody says otherwise, as those before them."""
        if self.compiled != "auto" or not workers.gpus:  # on CPUs it gains nothing (benchmarks/README.md)
            return self.compiled == "on"
        begun = read_trials(self.folder.path, self.config)
        before = next((trial.hardware for trial in begun if trial.hardware is not None), None)
        if before is not None:
            return before.compiled
        pays = autotuner.compiling_pays(workers, seconds)
        if pays:
            self.say("the network is compiled: that saves more than it takes (--compile off)")
        return pays

    def _say_unfinished(self, context: Context) -> None:
        finished = sum(trial.state != "running" for trial in context.trials())
        if finished < self.config.search.samples:
            self.say(f"the budget ends the trials: {finished} of {self.config.search.samples} have finished")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Whatever is raised by a task beside the trials ends the search in one line; a file has the rest."""
        try:
            yield
        except RayError as error:
            if disk_trouble(error):
                raise
            file = self.folder.error
            write_whole(file, str(error))
            raise SearchFailedError(f"{last_error(file)}; {file} has the traceback") from None

    @contextmanager
    def _in_new_folder(self) -> Iterator[None]:
        """Makes the search folder, and keeps other sessions off it."""
        path = self.folder.path
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            reason = f"another search has just begun in {path}; expected a new name"
            raise InputError(f"--name {path.name}: {reason}") from None
        with only_session(path):
            yield

    def _begin(self, dataset: Dataset) -> None:
        folder = self.folder
        write_whole(folder.space, self.config.to_yaml())
        if not folder.manifest.exists():
            # From the start, so that no copy in a storage can hold trials and no study.
            mend_journal(folder.study, self.say)
            open_study(folder.study, self.config.search)
            circumstances = build_manifest(dataset, self.config.search.seed)
            write_whole(folder.manifest, json.dumps(circumstances | {"search": self.config.plain()}, indent=2))

    def _describe(self, ready: _Ready) -> None:
        recipe, settings = self.config.recipe, self.config.search
        dataset, data = ready.inputs.dataset, ready.inputs.data
        assert data.validation is not None
        self.say(
            f"search {self.folder.path.name}: {settings.samples} trial{'s' if settings.samples > 1 else ''} of "
            f"{recipe.epochs} epochs, "
            f"{len(data.train):,} training, {len(data.validation):,} validation and {len(dataset.test):,} test images; "
            f"{ready.cluster.workers.describe()}"
        )
        for note in dataset.notes:
            self.say(f"data: {note}")
        if policy := self.config.policy.describe():
            self.say(policy)
