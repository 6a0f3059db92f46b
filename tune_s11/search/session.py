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
from rich.console import Console

from tune_s11.checkpoint import CheckpointError, load_checkpoint, write_whole
from tune_s11.config import InputError, Recipe
from tune_s11.console import resume_command, say
from tune_s11.copies import patiently
from tune_s11.data import Dataset
from tune_s11.disk import check_room, disk_trouble, in_words
from tune_s11.hardware import Compile, Precision
from tune_s11.manifest import build_manifest
from tune_s11.mirror import Mirror
from tune_s11.results import SearchResult, last_error, load_search, read_trials
from tune_s11.search.bounds import bounded_space
from tune_s11.search.calibration import Calibration
from tune_s11.search.cluster import Cluster, Resources, Workers, connect
from tune_s11.search.earlier import check_same_images, check_same_search, earlier_manifest, only_session
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.forecast import Budget, Forecast, forecast
from tune_s11.search.material import Material
from tune_s11.search.nodes import check_nodes, fingerprint
from tune_s11.search.scheduler import greatest_saving
from tune_s11.search.study import mend_journal, open_study
from tune_s11.search.tuner import drop_checkpoints, run_trials
from tune_s11.search.winner import Conclusion
from tune_s11.search_space import RANGE_TEST, SearchConfig


@dataclass(frozen=True)
class _Ready:
    """What a search runs with, once all has been checked.

    Attributes:
        material: Images and recipes.
        data: The trials' images, in the object store.
        cluster: Ray, connected.
        compiled: Whether trials train a compiled network.
    """

    material: Material
    data: ObjectRef
    cluster: Cluster
    compiled: bool


@dataclass(frozen=True)
class Session:
    """A search in its folder. :meth:`run` begins it or goes on with it.

    Attributes:
        path: The search folder, absolute: trials run in folders of their own.
        config: The search.
        precision: As asked for.
        compiled: Whether trials train a compiled network; ``auto``: where it saves more than it takes.
        console: Where to print.
        warm_start: Recipes of an earlier search, which are tried after the range test's suggestion.
        mirror: Of the folder, where results go to a storage.
    """

    path: Path
    config: SearchConfig
    precision: Precision
    compiled: Compile
    console: Console
    warm_start: tuple[Recipe, ...] = ()
    mirror: Mirror | None = None

    def say(self, line: str) -> None:
        """Prints one line for the user."""
        say(self.console, line)

    def run(self, asked: Resources, stall_timeout: float | None = None, budget: float | None = None) -> SearchResult:
        """Runs what is left of the search.

        Nothing is written before the input has been checked and the resources found.

        Args:
            asked: What is to run it.
            stall_timeout: As :func:`tune_s11.search.tuner.run_trials`.
            budget: Seconds in which all is to be done; where that leaves trials unfinished, a resumed search goes on
                with them. None: what it takes.

        Raises:
            InputError: Something the user gave is wrong.
            SearchFailedError: No trial came to its end.
            SearchInterruptedError: It was asked to stop.
        """
        begun, fresh = time.monotonic(), not self.path.exists()
        seen_by_all = self.path if self.mirror is None else None
        with (
            nullcontext() if fresh else only_session(self.path),
            self._ready(asked, seen_by_all, budget or math.inf) as ready,
        ):
            limit = None if budget is None else Budget.within(budget, begun, self._forecast(ready))
            with self._in_new_folder() if fresh else nullcontext():
                self._begin(ready.material.dataset)
                self._describe(ready)
                if ready.cluster.dashboard:
                    where = f"{ready.cluster.dashboard} (asks for a token; `ray get-auth-token` prints it)"
                    self.say(f"dashboard: {where}")
                copying = nullcontext() if self.mirror is None else self.mirror.copying(self.say)
                with self._explained(), copying:
                    self._run_what_is_left(ready, stall_timeout, limit)
        return load_search(str(self.path), self.path.parent)

    def forecast(self, asked: Resources) -> None:
        """Prints what is left of the search and what it will cost. Writes nothing.

        Args:
            asked: What would run it.

        Raises:
            InputError: Something the user gave is wrong.
        """
        with self._ready(asked, None, math.inf) as ready:
            self._describe(ready)
            told = self._forecast(ready)
        for line in told.lines():
            self.say(line)
        self.say(f"  disk      up to {in_words(self._bytes_needed(ready.material, ready.cluster.workers))}")
        self.say("nothing was begun (--dry-run)")

    @contextmanager
    def _ready(self, asked: Resources, seen_by_all: Path | None, seconds: float) -> Iterator[_Ready]:
        """All that is checked, found and decided before anything begins.

        Args:
            asked: As :meth:`run`.
            seen_by_all: The folder that all nodes have to see; None: there is none.
            seconds: That the search may take.
        """
        material = self._checked()
        with connect(asked) as cluster:
            check_room(self.path, self._bytes_needed(material, cluster.workers))
            # Once: each node fetches it when it first needs it, and its workers read that copy.
            data = ray.put(material.data)
            check_nodes(cluster.nodes, seen_by_all, material.recipe, data, fingerprint(material.data))
            assert material.data.validation is not None
            calibration = Calibration(self.config, data, len(material.data.validation), self.precision)
            if asked.trials_per_gpu is None:
                cluster = calibration.shared(cluster)
                if cluster.workers.gpus:
                    share = round(1 / cluster.workers.gpus)
                    self.say(f"trials a GPU: {share}, which get most done by steps timed here")
            yield _Ready(material, data, cluster, self._compiles(calibration, cluster.workers, seconds))

    def _run_what_is_left(self, ready: _Ready, stall_timeout: float | None, limit: Budget | None) -> None:
        file, workers = self.path / "lr_range.json", ready.cluster.workers
        space, first = bounded_space(file, self.config, ready.data, workers, self.precision, self.say)
        run_trials(
            self.path,
            self.config,
            space,
            [first, *(recipe.model_dump() for recipe in self.warm_start)],
            ready.data,
            workers,
            self.precision,
            ready.compiled,
            stall_timeout,
            limit,
            self.console,
            self.mirror,
        )
        self._drop_needless_checkpoints()
        if limit is not None:
            self._tell_unfinished()
        conclusion = Conclusion(self.path, self.config, workers, self.precision, self.console, self.mirror)
        conclusion.refit(conclusion.choose_winner(ready.data), ready.material)

    def _checked(self) -> Material:
        """What the search works on, once it is sure that it is what it began with."""
        before = earlier_manifest(self.path)
        if before is not None:
            check_same_search(self.path, self.config, before)
        material = Material.checked(self.config)
        if before is not None:
            check_same_images(self.path, material.dataset, before)
        check_room(self.path, 0)
        return material

    def _bytes_needed(self, material: Material, workers: Workers) -> int:
        return material.bytes_needed(workers, self.config.search.refit_seeds)

    def _forecast(self, ready: _Ready) -> Forecast:
        """Of the trials that have not ended, and what comes after them."""
        settings = self.config.search
        so_far = SearchResult(self.path, self.config, {}, read_trials(self.path, self.config))
        samples = settings.samples - sum(trial.state != "running" for trial in so_far.trials)
        # While trials are to come there may be as many finalists as there are to be.
        contenders = min(settings.finalists, settings.samples) if samples else len(so_far.contenders)
        return forecast(
            ready.material,
            ready.data,
            settings,
            samples=samples,
            ranged=RANGE_TEST in self.config.space.values() and so_far.bounds is None,
            finalists=contenders if contenders > 1 and (samples or so_far.finalists is None) else 0,
            refits=settings.refit_seeds if samples or so_far.refit is None else 0,
            workers=ready.cluster.workers,
            precision=self.precision,
            compiled=ready.compiled,
        )

    def _compiles(self, calibration: Calibration, workers: Workers, seconds: float) -> bool:
        """Whether the trials to come train a compiled network: if nobody says otherwise, as those before them."""
        if self.compiled != "auto" or not workers.gpus:  # on CPUs it gains nothing (benchmarks/README.md)
            return self.compiled == "on"
        begun = read_trials(self.path, self.config)
        before = next((trial.hardware for trial in begun if trial.hardware is not None), None)
        if before is not None:
            return before.compiled
        pays = calibration.compiling_pays(workers, seconds)
        if pays:
            self.say("the network is compiled: that saves more than it takes (--compile off)")
        return pays

    def _tell_unfinished(self) -> None:
        ended = sum(trial.state != "running" for trial in read_trials(self.path, self.config))
        if ended < self.config.search.samples:
            self.say(
                f"the budget ends the trials: {ended} of {self.config.search.samples} have come to their end; "
                f"the others, when there is time: {resume_command(self.path)}"
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Whatever is raised by a task beside the trials ends the search in one line; ``error.txt`` has the rest."""
        try:
            yield
        except RayError as error:
            if disk_trouble(error):
                raise
            file = self.path / "error.txt"
            write_whole(file, str(error))
            raise SearchFailedError(f"{last_error(file)}; {file} has the traceback") from None

    @contextmanager
    def _in_new_folder(self) -> Iterator[None]:
        """Makes the search folder, and keeps other sessions off it."""
        try:
            self.path.mkdir(parents=True)
        except FileExistsError:
            reason = f"another search has just begun in {self.path}; allowed is a new name"
            raise InputError(f"--name {self.path.name}: {reason}") from None
        with only_session(self.path):
            yield

    def _begin(self, dataset: Dataset) -> None:
        write_whole(self.path / "search.yaml", self.config.to_yaml())
        manifest = self.path / "manifest.json"
        if not manifest.exists():
            # From the start, so that no copy in a storage can hold trials and no study.
            mend_journal(self.path / "study.log", self.say)
            open_study(self.path / "study.log", self.config.search)
            circumstances = build_manifest(dataset, self.config.search.seed)
            write_whole(manifest, json.dumps(circumstances | {"search": self.config.plain()}, indent=2))

    def _describe(self, ready: _Ready) -> None:
        recipe, settings = self.config.recipe, self.config.search
        dataset, data = ready.material.dataset, ready.material.data
        assert data.validation is not None
        self.say(
            f"search {self.path.name}: {settings.samples} trials of {recipe.epochs} epochs, "
            f"{len(data.train):,} training, {len(data.validation):,} validation and {len(dataset.test):,} test images; "
            f"{ready.cluster.workers.describe()}"
        )
        for note in dataset.notes:
            self.say(f"data: {note}")
        rungs = settings.rung_epochs(recipe.epochs)
        if rungs:
            saving = greatest_saving(rungs, settings.factor, recipe.epochs)
            at = ", ".join(str(rung) for rung in rungs)
            self.say(f"ASHA: rungs at epoch {at}, factor {settings.factor:g}; saves at most {saving:.1f}x the epochs")

    def _drop_needless_checkpoints(self) -> None:
        """Of trials that have ended, and damaged ones of finalists and refits: such a run begins anew."""
        for trial in read_trials(self.path, self.config):
            if trial.state != "running":
                drop_checkpoints(self.path, self.mirror, trial.name)
        if self.mirror is not None:  # what tasks have written there since the driver last looked
            for part in ("finalists", "best"):
                patiently(partial(self.mirror.pull, part))
        for part in ("finalists", "best"):
            for file in sorted((self.path / part).rglob("checkpoint.pt")):
                try:
                    load_checkpoint(file)
                except CheckpointError as error:
                    self.say(f"{error}; {file.parent.relative_to(self.path)} begins anew")
                    file.unlink()
        if self.mirror is not None:
            patiently(self.mirror.push)
