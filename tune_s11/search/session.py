"""Runs a search from its configuration to its refit winner, and skips the steps that an earlier session has done."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

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
from tune_s11.results.manifest import WARM_START, build_manifest, check_same_images
from tune_s11.search import resume_checks
from tune_s11.search.autotune import Autotuner
from tune_s11.search.budget import Budget
from tune_s11.search.checkpoints import drop_needless_checkpoints
from tune_s11.search.context import Context
from tune_s11.search.display import Display, print_best, training_in
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.forecast import Forecast, forecast
from tune_s11.search.inputs import SearchInputs
from tune_s11.search.journal import mend_journal
from tune_s11.search.remaining import remaining_work, room_for_finalists
from tune_s11.search.steps.finalists import choose_winner
from tune_s11.search.steps.lengths import shorten_to_target
from tune_s11.search.steps.lr_range import find_proposals
from tune_s11.search.steps.refits import refit_winner
from tune_s11.search.steps.trials import run_trials
from tune_s11.search.study import open_study
from tune_s11.search.workers.cluster import Cluster, Resources, Workers, connect
from tune_s11.search.workers.executor import Executor
from tune_s11.search.workers.preflight import check_nodes
from tune_s11.search.workers.token import token_command
from tune_s11.search_space import SearchConfig
from tune_s11.storage.disk import check_room, describe_disk_error
from tune_s11.storage.files import write_whole
from tune_s11.storage.lock import only_session
from tune_s11.storage.workspace import Workspace, finishing
from tune_s11.text import format_bytes, say
from tune_s11.tracking.process import tracked
from tune_s11.tracking.trackers import TrackerName


@dataclass(frozen=True)
class _Ready:
    """Everything that a search needs to run, after all checks.

    Attributes:
        inputs: Images and recipes of the search.
        data: Data of the trials, in the object store.
        cluster: Connected Ray cluster.
        executor: Executor for everything except the trials.
        compiled: Whether trials train a compiled network.
    """

    inputs: SearchInputs
    data: ObjectRef
    cluster: Cluster
    executor: Executor
    compiled: bool


@dataclass(frozen=True)
class Session:
    """A search in its folder. :meth:`run` starts or resumes it.

    Attributes:
        workspace: Search folder and its storage; the path is absolute, because trials run in their own folders.
        config: Configuration of the search.
        precision: Requested precision.
        compiled: Whether trials train a compiled network; ``auto``: if that saves more time than it costs.
        console: Console to print to.
        warm_start: Recipes of an earlier search, which are tried after the range test's suggestion.
        tracker: Tracker that trials and refits are sent to during the search; None: none.
        callbacks: Additional Tune callbacks, called after the program's own.
        begun: When the user asked for the search, on the monotonic clock, in seconds; a budget begins here.
    """

    workspace: Workspace
    config: SearchConfig
    precision: Precision
    compiled: Compile
    console: Console
    warm_start: tuple[Recipe, ...] = ()
    tracker: TrackerName | None = None
    callbacks: tuple[Callback, ...] = ()
    begun: float = field(default_factory=time.monotonic)

    @property
    def folder(self) -> SearchFolder:
        """Files of the search."""
        return SearchFolder(self.workspace.folder)

    def say(self, line: str, *, copied: bool = False) -> None:
        """Print one line for the user; see :func:`tune_s11.text.say`."""
        say(self.console, line, copied=copied)

    def run(self, asked: Resources, stall_timeout: float | None = None, budget: float | None = None) -> SearchResult:
        """Run the rest of the search.

        Nothing is written before the input has been checked and the resources have been found.

        Args:
            asked: Requested resources.
            stall_timeout: Seconds without a report after which a worker is killed; None: it follows from the reports.
            budget: Time limit for everything, in seconds; None: no limit. A resumed search runs the trials that the
                budget leaves unfinished.

        Raises:
            InputError: The user's input is invalid.
            SearchFailedError: No trial is complete, or a worker fails.
            SearchInterruptedError: The search was asked to stop.
        """
        path = self.folder.path
        fresh = not path.exists()
        with (
            Display(self.console, training_in(remaining_work(self.folder, self.config), self.config)) as display,
            nullcontext() if fresh else only_session(path),
            finishing(self.workspace) if self.tracker else nullcontext(),  # the tracker's last records
            tracked(self.tracker, self.folder, partial(self.say, copied=True)) as track,
            self._ready(asked, self.workspace.seen_by_nodes, budget or math.inf, stall_timeout) as ready,
        ):
            ends = None if budget is None else self._within(budget, ready)
            with self._in_new_folder() if fresh else nullcontext():
                self._begin(ready.inputs.dataset)
                self._describe(ready)
                if ready.cluster.dashboard:
                    self.say(f"dashboard: {ready.cluster.dashboard} (asks for a token; `{token_command()}` prints it)")
                track()
                with self.workspace.copying(self.say), self._explained():  # an error's traceback is copied, too
                    self._run_steps(ready, ends, display)
        result = load_search(str(path), path.parent)
        print_best(self.console, result)
        return result

    def _run_steps(self, ready: _Ready, budget: Budget | None, display: Display) -> None:
        """Run the README's steps except for the last, the report, which needs no Ray."""
        context = Context(self.workspace, self.config, ready.executor, self.console, display, self.callbacks)
        proposals = find_proposals(context, ready.data, self.warm_start)  # 1. LR range test
        run_trials(context, ready.data, proposals, budget, compiled=ready.compiled)  # 2. trials, 3. pruning
        drop_needless_checkpoints(context)
        if budget is not None:
            finished = sum(trial.state != "running" for trial in context.trials())
            if finished < self.config.search.samples:
                self.say(f"the budget ends the trials: {finished} of {self.config.search.samples} have finished")
        winner = choose_winner(context, ready.data)  # 4. finalists
        refit_winner(context, winner, shorten_to_target(context, winner, ready.data), ready.inputs)  # 5. refit

    def forecast(self, asked: Resources) -> None:
        """Print the estimated cost of the rest of the search. Nothing is written.

        Args:
            asked: Requested resources.

        Raises:
            InputError: The user's input is invalid.
        """
        with working(self.console, "timing steps"), self._ready(asked, None, math.inf) as ready:
            self._describe(ready)
            expected = self._forecast(ready)
        for line in expected.lines():
            self.say(line)
        needed = ready.inputs.bytes_needed(ready.cluster.workers, self.config.search.refit_seeds)
        self.say(f"  disk      up to {format_bytes(needed)}")
        self.say("nothing was started (--dry-run)")

    @contextmanager
    def _ready(
        self, asked: Resources, seen_by_all: Path | None, seconds: float, stall_timeout: float | None = None
    ) -> Iterator[_Ready]:
        """Check, find and decide everything that must be known before anything starts.

        Args:
            asked: See :meth:`run`.
            seen_by_all: Folder that all nodes must see; None: there is none.
            seconds: Seconds that the search may take.
            stall_timeout: See :meth:`run`.
        """
        before = resume_checks.earlier_manifest(self.folder)
        inputs, products = self._checked(before), resume_checks.may_use_matrix_products(before)
        with connect(asked) as cluster:
            check_room(self.folder.path, inputs.bytes_needed(cluster.workers, self.config.search.refit_seeds))
            # Stored once: each node fetches the data when it first needs it, and its workers read that copy.
            data = ray.put(inputs.data)
            on_gpus = bool(cluster.workers.gpus)
            check_nodes(cluster.nodes, seen_by_all, inputs.recipe, inputs.data, data, gpus=on_gpus)
            assert inputs.data.validation is not None
            failures = self.config.search.max_failures
            precision = resume_checks.kept_precision(self.precision, before)
            executor = Executor(cluster.workers, precision, stall_timeout, failures, matrix_products=products)
            autotuner = Autotuner(self.config, data, len(inputs.data.validation), executor)
            if asked.trials_per_gpu is None:
                cluster = autotuner.shared(cluster)
                if cluster.workers.gpus:
                    share = round(1 / cluster.workers.gpus)
                    self.say(f"trials per GPU: {share}, the fastest by steps timed here")
            executor = replace(executor, workers=cluster.workers)
            yield _Ready(inputs, data, cluster, executor, self._compiles(autotuner, cluster.workers, seconds))

    def _checked(self, before: dict[str, Any] | None) -> SearchInputs:
        """Return the search's inputs, after checking that they are those of its earlier manifest, if there is one."""
        path = self.folder.path
        if before is not None:
            resume_checks.check_same_search(self.folder, self.config, before)
        inputs = SearchInputs.checked(self.config)
        if before is not None:
            check_same_images(path.name, inputs.dataset, before)
        check_room(path, 0)
        return inputs

    def _forecast(self, ready: _Ready) -> Forecast:
        """Forecast the cost of the unfinished trials and of the steps after them."""
        work = remaining_work(self.folder, self.config)
        start = time.monotonic() - self.begun
        return forecast(ready.executor, self.config, ready.inputs, ready.data, work, start, compiled=ready.compiled)

    def _within(self, budget: float, ready: _Ready) -> Budget:
        room = room_for_finalists(self.folder, self.config)
        return Budget.within(budget, self.begun, self._forecast(ready), room)

    def _compiles(self, autotuner: Autotuner, workers: Workers, seconds: float) -> bool:
        """Return whether the remaining trials train a compiled network; on GPUs ``auto`` follows earlier trials."""
        if self.compiled != "auto" or not workers.gpus:  # on CPUs it gains nothing (benchmarks/speed/README.md)
            return self.compiled == "on"
        trials = read_trials(self.folder.path, self.config)
        before = next((trial.hardware for trial in trials if trial.hardware is not None), None)
        if before is not None:
            return before.compiled
        pays = autotuner.compiling_pays(workers, seconds)
        if pays:
            self.say("the network is compiled, which saves time overall (--compile off turns it off)")
        return pays

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn an error of a task other than a trial into one line that ends the search; a file has the traceback."""
        try:
            yield
        except RayError as error:
            if describe_disk_error(error):
                raise
            file = self.folder.error
            write_whole(file, str(error))
            raise SearchFailedError(f"{last_error(file)}; {file} has the traceback") from None

    @contextmanager
    def _in_new_folder(self) -> Iterator[None]:
        """Create the search folder, and lock it against other sessions."""
        path = self.folder.path
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            reason = f"another search has just started in {path}; expected a new name"
            raise InputError(f"--name {path.name}: {reason}") from None
        with only_session(path):
            yield

    def _begin(self, dataset: Dataset) -> None:
        folder = self.folder
        write_whole(folder.space, self.config.to_yaml())
        if not folder.manifest.exists():
            # Created at the start: otherwise a copy in a storage could have trials but no study.
            mend_journal(folder.study, self.say)
            open_study(folder.study, self.config.search)
            recipes = [recipe.model_dump() for recipe in self.warm_start]
            manifest = build_manifest(dataset, self.config.search.seed) | {WARM_START: recipes}
            manifest |= resume_checks.recorded(self.config, self.precision)
            write_whole(folder.manifest, json.dumps(manifest, indent=2))

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
        if ready.cluster.note:
            self.say(ready.cluster.note)
        for note in dataset.notes:
            self.say(f"data: {note}")
        if policy := self.config.policy.describe():
            self.say(policy)
