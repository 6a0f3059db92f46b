"""One search from its configuration to its refit winner, each step skipped where an earlier session has done it."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray
from optuna.distributions import BaseDistribution, FloatDistribution
from ray import ObjectRef
from ray.exceptions import RayError
from rich.console import Console

from tune_s11.checkpoint import CheckpointError, load_checkpoint, write_whole
from tune_s11.config import InputError, Recipe
from tune_s11.console import in_time, resume_command, say
from tune_s11.copies import patiently
from tune_s11.data import Dataset
from tune_s11.disk import check_room, disk_trouble, in_words, size_of
from tune_s11.hardware import Precision
from tune_s11.lr_finder import LRBounds, find_bounds, write_curve
from tune_s11.manifest import build_manifest
from tune_s11.mirror import Mirror
from tune_s11.results import SearchResult, TrialResult, last_error, load_search, read_bounds, read_json, read_trials
from tune_s11.search.cluster import Cluster, connect
from tune_s11.search.earlier import check_same_images, check_same_search, earlier_manifest
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.finalists import run_finalists
from tune_s11.search.forecast import Budget, Forecast, forecast
from tune_s11.search.material import Material
from tune_s11.search.nodes import check_nodes, fingerprint
from tune_s11.search.scheduler import greatest_saving
from tune_s11.search.tasks import measure_curve, refit
from tune_s11.search.tuner import drop_checkpoints, run_trials
from tune_s11.search_space import RANGE_TEST, SearchConfig


@dataclass(frozen=True)
class Session:
    """A search in its folder. :meth:`run` begins it or goes on with it.

    Attributes:
        path: The search folder, absolute: trials run in folders of their own.
        config: The search.
        precision: As asked for.
        console: Where to print.
        warm_start: Recipes of an earlier search, which are tried after the range test's suggestion.
        mirror: Of the folder, where results go to a storage.
    """

    path: Path
    config: SearchConfig
    precision: Precision
    console: Console
    warm_start: tuple[Recipe, ...] = ()
    mirror: Mirror | None = None

    def say(self, line: str) -> None:
        """Prints one line for the user."""
        say(self.console, line)

    def run(
        self,
        address: str | None = None,
        gpus: int | None = None,
        workers: int | None = None,
        trials_per_gpu: int = 1,
        stall_timeout: float | None = None,
        budget: float | None = None,
    ) -> SearchResult:
        """Runs what is left of the search.

        Nothing is written before the input has been checked and the resources found.

        Args:
            address: As :func:`tune_s11.search.cluster.connect`, and so the next three.
            gpus: At most so many GPUs.
            workers: Trials at a time on CPUs.
            trials_per_gpu: Trials that share a GPU.
            stall_timeout: As :func:`tune_s11.search.tuner.run_trials`.
            budget: Seconds in which all is to be done; where that leaves trials unfinished, a resumed search goes on
                with them. None: what it takes.

        Raises:
            InputError: Something the user gave is wrong.
            SearchFailedError: No trial came to its end.
            SearchInterruptedError: It was asked to stop.
        """
        begun, fresh = time.monotonic(), not self.path.exists()
        material = self._checked()
        with connect(address, gpus, workers, trials_per_gpu) as cluster:
            check_room(self.path, material.bytes_needed(cluster.workers, self.config.search.refit_seeds))
            # Once: each node fetches it when it first needs it, and its workers read that copy.
            data = ray.put(material.data)
            seen_by_all = self.path if self.mirror is None else None
            check_nodes(cluster.nodes, seen_by_all, material.recipe, data, fingerprint(material.data))
            limit = None if budget is None else self._budget(begun, budget, material, data, cluster)
            self._begin(material.dataset, fresh)
            self._describe(material, cluster)
            if cluster.dashboard:
                self.say(f"dashboard: {cluster.dashboard} (asks for a token; `ray get-auth-token` prints it)")
            copying = nullcontext() if self.mirror is None else self.mirror.copying(self.say)
            with self._explained(), copying:
                space, first = self._bounded_space(data, cluster)
                tried_first = [first, *(recipe.model_dump() for recipe in self.warm_start)]
                run_trials(
                    self.path,
                    self.config,
                    space,
                    tried_first,
                    data,
                    cluster.workers,
                    self.precision,
                    stall_timeout,
                    limit,
                    self.console,
                    self.mirror,
                )
                self._drop_needless_checkpoints()
                if limit is not None:
                    self._tell_unfinished()
                self._refit(self._choose(data, cluster), material, cluster)
        return load_search(str(self.path), self.path.parent)

    def forecast(
        self, address: str | None = None, gpus: int | None = None, workers: int | None = None, trials_per_gpu: int = 1
    ) -> None:
        """Prints what is left of the search and what it will cost. Writes nothing; its arguments are :meth:`run`'s.

        Raises:
            InputError: Something the user gave is wrong.
        """
        material = self._checked()
        with connect(address, gpus, workers, trials_per_gpu) as cluster:
            need = material.bytes_needed(cluster.workers, self.config.search.refit_seeds)
            check_room(self.path, need)
            self._describe(material, cluster)
            told = self._forecast(material, ray.put(material.data), cluster)
        for line in told.lines():
            self.say(line)
        self.say(f"  disk      up to {in_words(need)}")
        self.say("nothing was begun (--dry-run)")

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

    def _forecast(self, material: Material, data: ObjectRef, cluster: Cluster) -> Forecast:
        """Of the trials that have not ended, and what comes after them."""
        begun = read_trials(self.path, self.config)
        return forecast(
            material,
            data,
            self.config.search,
            samples=self.config.search.samples - sum(trial.state != "running" for trial in begun),
            ranged=RANGE_TEST in self.config.space.values() and read_bounds(self.path / "lr_range.json") is None,
            workers=cluster.workers,
            precision=self.precision,
        )

    def _tell_unfinished(self) -> None:
        ended = sum(trial.state != "running" for trial in read_trials(self.path, self.config))
        if ended < self.config.search.samples:
            self.say(
                f"the budget ends the trials: {ended} of {self.config.search.samples} have come to their end; "
                f"the others, when there is time: {resume_command(self.path)}"
            )

    def _budget(self, begun: float, budget: float, material: Material, data: ObjectRef, cluster: Cluster) -> Budget:
        told = self._forecast(material, data, cluster)
        least = time.monotonic() - begun + told.least
        if budget < least:
            raise InputError(
                f"--budget {in_time(budget)}: allowed is at least {in_time(least)}: so long take start, range test, "
                "one complete trial, finalists, refits and report"
            )
        return Budget(begun + budget, told)

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

    def _begin(self, dataset: Dataset, fresh: bool) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=not fresh)
        except FileExistsError:
            reason = f"another search has just begun in {self.path}; allowed is a new name"
            raise InputError(f"--name {self.path.name}: {reason}") from None
        write_whole(self.path / "search.yaml", self.config.to_yaml())
        manifest = self.path / "manifest.json"
        if not manifest.exists():
            circumstances = build_manifest(dataset, self.config.search.seed)
            write_whole(manifest, json.dumps(circumstances | {"search": self.config.plain()}, indent=2))

    def _describe(self, material: Material, cluster: Cluster) -> None:
        recipe, settings = self.config.recipe, self.config.search
        dataset, data = material.dataset, material.data
        assert data.validation is not None
        self.say(
            f"search {self.path.name}: {settings.samples} trials of {recipe.epochs} epochs, "
            f"{len(data.train):,} training, {len(data.validation):,} validation and {len(dataset.test):,} test images; "
            f"{cluster.workers.describe()}"
        )
        for note in dataset.notes:
            self.say(f"data: {note}")
        rungs = settings.rung_epochs(recipe.epochs)
        if rungs:
            saving = greatest_saving(rungs, settings.factor, recipe.epochs)
            at = ", ".join(str(rung) for rung in rungs)
            self.say(f"ASHA: rungs at epoch {at}, factor {settings.factor:g}; saves at most {saving:.1f}x the epochs")

    def _bounded_space(self, data: ObjectRef, cluster: Cluster) -> tuple[dict[str, BaseDistribution], dict[str, Any]]:
        """The space with bounds in place of ``range_test``, and what to try first."""
        recipe = self.config.recipe
        fixed = {name: domain for name, domain in self.config.space.items() if isinstance(domain, BaseDistribution)}
        if len(fixed) == len(self.config.space):
            return fixed, recipe.model_dump()
        bounds = self._range_test(data, cluster)
        domain = FloatDistribution(bounds.low, bounds.high, log=True)
        space = {name: domain if value == RANGE_TEST else fixed[name] for name, value in self.config.space.items()}
        first = {"max_lr": bounds.suggestion, "min_lr_fraction": min(1.0, bounds.min_lr / bounds.suggestion)}
        return space, recipe.model_dump() | first

    def _range_test(self, data: ObjectRef, cluster: Cluster) -> LRBounds:
        file = self.path / "lr_range.json"
        if measured := read_bounds(file):
            return measured
        curve = measure_curve(self.config.recipe, data, self.config.search, cluster.workers, self.precision)
        bounds = find_bounds(curve)
        write_curve(file, curve, bounds)
        self.say(
            f"range test: LRMAX between {bounds.low:.3g} and {bounds.high:.3g}, first {bounds.suggestion:.3g}; "
            f"LRMIN first {bounds.min_lr:.3g}"
        )
        return bounds

    def _choose(self, data: ObjectRef, cluster: Cluster) -> TrialResult:
        """The winner, after the finalists' runs where there are some."""
        search = load_search(str(self.path), self.path.parent)
        contenders = search.contenders
        if len(contenders) > 1 and search.finalists is None:
            settings, names = self.config.search, ", ".join(trial.name for trial in contenders)
            with self.console.status("") as status:
                run_finalists(
                    self.path,
                    contenders,
                    data,
                    settings,
                    cluster.workers,
                    self.precision,
                    lambda done, total: status.update(f"finalists {names}: epoch {done} of {total}"),
                    self.mirror,
                )
        winner, verdict = search.winner, search.finalists
        if winner is None:
            reason = next((f": {trial.name}: {trial.error}" for trial in search.trials if trial.error), "")
            raise SearchFailedError(f"no trial came to its end{reason}; {self.path / 'trials'} tells more")
        if verdict is not None:
            margin, mean = verdict["margin"]["mean"], verdict["trials"][winner.name]["mean"]
            self.say(
                f"finalists: {len(contenders)} trials from {len(verdict['seeds'])} seeds each; {winner.name} has "
                f"{mean:.4f}, {margin:.4f} more than {verdict['runner_up']}"
                + (", no more than noise explains" if verdict["tied"] else "")
            )
        self.say(f"winner: {winner.name}, validation accuracy {winner.score:.4f} (averaged weights)")
        self.say("  " + ", ".join(f"{name} {value:.4g}" for name, value in winner.params.items()))
        return winner

    def _refit(self, winner: TrialResult, material: Material, cluster: Cluster) -> None:
        recipe, settings, best = self.config.refit.applied_to(winner.recipe), self.config.search, self.path / "best"
        chosen = json.dumps({"trial": winner.name, "recipe": recipe.model_dump(mode="json")}, indent=2)
        mark = best / "winner.json"
        if not mark.exists() or mark.read_text() != chosen:  # none yet, or a longer search found a better one
            shutil.rmtree(best, ignore_errors=True)
            best.mkdir()
            write_whole(mark, chosen)
            if self.mirror is not None:  # or a refit would go on from the earlier winner's
                patiently(self.mirror.push)
        if read_json(best / "metrics.json") is None:  # not there yet, or damaged
            if changes := self.config.refit.model_dump(exclude_none=True):
                self.say("refit with " + ", ".join(f"{name} {value:,}" for name, value in changes.items()))
            runs = settings.refit_seeds
            with self.console.status("") as status:
                metrics = refit(
                    recipe,
                    material.refit_data(),
                    material.dataset.test,
                    settings,
                    cluster.workers,
                    self.precision,
                    best,
                    lambda done, total: status.update(f"refit over {runs} seeds: epoch {done} of {total}"),
                    self.mirror,
                )
            metrics |= json.loads(chosen) | {"validation_accuracy": winner.score}
            write_whole(best / "metrics.json", json.dumps(metrics, indent=2))
        metrics = read_json(best / "metrics.json")
        test = metrics["test_accuracy"]
        spread = "" if test["sd"] is None else f" ± {test['sd']:.4f}"
        self.say(
            f"test accuracy: {test['mean']:.4f}{spread} (n = {test['n']}, averaged weights), "
            f"raw weights {metrics['test_accuracy_raw']['mean']:.4f}"
        )
        self.say(f"results: {self.path}, {in_words(size_of(self.path))}")

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
