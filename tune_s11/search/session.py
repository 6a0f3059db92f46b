"""One search from its configuration to its refit winner, each step skipped where an earlier session has done it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from optuna.distributions import BaseDistribution, FloatDistribution
from ray import ObjectRef
from ray.exceptions import RayError
from rich.console import Console

from tune_s11.checkpoint import CheckpointError, load_checkpoint, write_whole
from tune_s11.config import InputError, Recipe
from tune_s11.console import say
from tune_s11.data import Dataset, load_dataset
from tune_s11.disk import check_room, disk_trouble, in_words, size_of
from tune_s11.hardware import Hardware, Precision, usable_cores
from tune_s11.lr_finder import LRBounds, find_bounds, write_curve
from tune_s11.manifest import build_manifest
from tune_s11.results import SearchResult, TrialResult, last_error, load_search, read_bounds, read_json
from tune_s11.search.cluster import Cluster, connect
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.finalists import run_finalists
from tune_s11.search.nodes import check_nodes, fingerprint
from tune_s11.search.scheduler import greatest_saving
from tune_s11.search.tasks import measure_curve, refit
from tune_s11.search.tuner import drop_checkpoints, run_trials
from tune_s11.search_space import RANGE_TEST, SearchConfig
from tune_s11.trainer import Trainer, TrainingData

RECORDS = 32_000_000
"""Bytes that a search needs beside its checkpoints: rows, event files, test logits, the report."""


@dataclass(frozen=True)
class Session:
    """A search in its folder. :meth:`run` begins it or goes on with it.

    Attributes:
        path: The search folder, absolute: trials run in folders of their own.
        config: The search.
        precision: As asked for.
        console: Where to print.
        warm_start: Recipes of an earlier search, which are tried after the range test's suggestion.
    """

    path: Path
    config: SearchConfig
    precision: Precision
    console: Console
    warm_start: tuple[Recipe, ...] = ()

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
    ) -> SearchResult:
        """Runs what is left of the search.

        Nothing is written before the input has been checked and the resources found.

        Args:
            address: As :func:`tune_s11.search.cluster.connect`, and so the next three.
            gpus: At most so many GPUs.
            workers: Trials at a time on CPUs.
            trials_per_gpu: Trials that share a GPU.
            stall_timeout: As :func:`tune_s11.search.tuner.run_trials`.

        Raises:
            InputError: Something the user gave is wrong.
            SearchFailedError: No trial came to its end.
            SearchInterruptedError: It was asked to stop.
        """
        anew = not self.path.exists()
        before = self._read_manifest()
        self._check_same_search(before)
        recipe, settings = self.config.recipe, self.config.search
        dataset = load_dataset(recipe)
        data = TrainingData.to_choose(dataset, recipe, settings.seed)
        refit_recipe = self.config.refit.applied_to(recipe)
        trial = _try_out(recipe, data)
        refit = _try_out(refit_recipe, TrainingData.to_refit(dataset, refit_recipe, settings.seed))
        if before and before["data"]["fingerprint"] != dataset.fingerprint:
            raise InputError(
                f"{self.path.name}: began on other images "
                f"(fingerprint {before['data']['fingerprint']}, now {dataset.fingerprint})"
            )
        check_room(self.path, 0)
        with connect(address, gpus, workers, trials_per_gpu) as cluster:
            slots = cluster.workers.slots  # each may write a third checkpoint before Tune drops the first of two
            check_room(self.path, RECORDS + max(3 * slots * trial, (settings.refit_seeds + slots) * refit))
            shared = ray.put(data)  # once: each node fetches it when it first needs it, and its workers read that copy
            check_nodes(cluster.nodes, self.path, recipe, shared, fingerprint(data))
            self._begin(dataset, anew)
            self._describe(dataset, data, cluster)
            with self._explained():
                space, first = self._bounded_space(shared, cluster)
                tried_first = [first, *(recipe.model_dump() for recipe in self.warm_start)]
                run_trials(
                    self.path,
                    self.config,
                    space,
                    tried_first,
                    shared,
                    cluster.workers,
                    self.precision,
                    stall_timeout,
                    self.console,
                )
                drop_checkpoints(self.path)
                self._drop_damaged_checkpoints()
                self._refit(self._choose(shared, cluster), dataset, cluster)
        return load_search(str(self.path), self.path.parent)

    def _read_manifest(self) -> dict[str, Any] | None:
        """What an earlier session recorded; None where this is the first."""
        file = self.path / "manifest.json"
        manifest: dict[str, Any] | None = read_json(file)
        if manifest is None and file.exists():
            raise InputError(f"{file}: is damaged; if images, recipe and Ray are what the search began with, delete it")
        return manifest

    def _check_same_search(self, before: dict[str, Any] | None) -> None:
        """Refuses to go on under another Ray or with another recipe, space or settings; ``samples`` may change."""
        if before is None:
            return
        if before["packages"]["ray"] != ray.__version__:
            raise InputError(
                f"{self.path.name}: began under Ray {before['packages']['ray']}, this is {ray.__version__}; "
                f"allowed is: pip install ray=={before['packages']['ray']}"
            )
        now = self.config.plain()
        for part in ("recipe", "space", "search"):
            began = before.get("search", now)[part]
            for key in {**began, **now[part]}:
                if began.get(key) != now[part].get(key) and (part, key) != ("search", "samples"):
                    raise InputError(
                        f"{self.path / 'search.yaml'}: {part}.{key}: {now[part].get(key)}: the search began with "
                        f"{began.get(key)} and keeps it; allowed is a new search: --space {self.path / 'search.yaml'}"
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

    def _begin(self, dataset: Dataset, anew: bool) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=not anew)
        except FileExistsError:
            reason = f"another search has just begun in {self.path}; allowed is a new name"
            raise InputError(f"--name {self.path.name}: {reason}") from None
        write_whole(self.path / "search.yaml", self.config.to_yaml())
        manifest = self.path / "manifest.json"
        if not manifest.exists():
            circumstances = build_manifest(dataset, self.config.search.seed)
            write_whole(manifest, json.dumps(circumstances | {"search": self.config.plain()}, indent=2))

    def _describe(self, dataset: Dataset, data: TrainingData, cluster: Cluster) -> None:
        recipe, settings = self.config.recipe, self.config.search
        assert data.validation is not None
        self.say(
            f"search {self.path.name}: {settings.samples} trials of {recipe.epochs} epochs, "
            f"{len(data.train):,} training, {len(data.validation):,} validation and {len(dataset.test):,} test images; "
            f"{cluster.workers.describe()}"
        )
        for note in dataset.notes:
            self.say(f"data: {note}")
        if cluster.dashboard:
            self.say(f"dashboard: {cluster.dashboard} (asks for a token; `ray get-auth-token` prints it)")
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

    def _refit(self, winner: TrialResult, dataset: Dataset, cluster: Cluster) -> None:
        recipe, settings, best = self.config.refit.applied_to(winner.recipe), self.config.search, self.path / "best"
        chosen = json.dumps({"trial": winner.name, "recipe": recipe.model_dump(mode="json")}, indent=2)
        mark = best / "winner.json"
        if not mark.exists() or mark.read_text() != chosen:  # none yet, or a longer search found a better one
            shutil.rmtree(best, ignore_errors=True)
            best.mkdir()
            write_whole(mark, chosen)
        if read_json(best / "metrics.json") is None:  # not there yet, or damaged
            if changes := self.config.refit.model_dump(exclude_none=True):
                self.say("refit with " + ", ".join(f"{name} {value:,}" for name, value in changes.items()))
            runs = settings.refit_seeds
            with self.console.status("") as status:
                metrics = refit(
                    recipe,
                    TrainingData.to_refit(dataset, recipe, settings.seed),
                    dataset.test,
                    settings,
                    cluster.workers,
                    self.precision,
                    best,
                    lambda done, total: status.update(f"refit over {runs} seeds: epoch {done} of {total}"),
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

    def _drop_damaged_checkpoints(self) -> None:
        """Of finalists and refits: such a run begins anew."""
        for part in ("finalists", "best"):
            for file in sorted((self.path / part).rglob("checkpoint.pt")):
                try:
                    load_checkpoint(file)
                except CheckpointError as error:
                    self.say(f"{error}; {file.parent.relative_to(self.path)} begins anew")
                    file.unlink()


def _try_out(recipe: Recipe, data: TrainingData) -> int:
    """Builds the trainer here and asks it for two logits, so that a mistake shows before anything starts.

    Returns:
        Bytes of a checkpoint: the weights, their average, their momentum.
    """
    trainer = Trainer(recipe, data, Hardware(device="cpu", precision="fp32", threads=usable_cores()), seed=0)
    try:
        shape = tuple(trainer.predict(trainer.model, trainer.train[0][:2]).shape)
    except Exception as error:  # a network of the user's own may raise anything
        raise InputError(f"model {recipe.model}: it fails on two images: {type(error).__name__}: {error}") from error
    if shape != (2, data.num_classes):
        raise InputError(f"model {recipe.model}: logits of shape {shape}, allowed is (N, {data.num_classes})")
    weights: int = sum(tensor.nbytes for tensor in trainer.model.state_dict().values())
    return 3 * weights
