"""The end of a search: its winner, chosen by validation images, and what that is worth on test images."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import ObjectRef
from rich.console import Console

from tune_s11.checkpoint import write_whole
from tune_s11.config import Recipe
from tune_s11.console import say
from tune_s11.copies import patiently
from tune_s11.disk import in_words, size_of
from tune_s11.hardware import Precision
from tune_s11.mirror import Mirror
from tune_s11.results import TrialResult, load_search, read_json
from tune_s11.search.cluster import Workers
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.finalists import run_finalists
from tune_s11.search.material import Material
from tune_s11.search.tasks import refit
from tune_s11.search_space import SearchConfig


@dataclass(frozen=True)
class Conclusion:
    """What comes after the trials. Whatever an earlier session has done of it stays.

    Attributes:
        path: The search folder.
        config: The search.
        workers: What runs at once.
        precision: As asked for.
        console: Where to print.
        mirror: Of the folder, where results go to a storage.
    """

    path: Path
    config: SearchConfig
    workers: Workers
    precision: Precision
    console: Console
    mirror: Mirror | None

    def choose_winner(self, data: ObjectRef) -> TrialResult:
        """The best trial, after the finalists' runs where there are some.

        Args:
            data: To choose by, in the object store.

        Raises:
            SearchFailedError: No trial came to its end.
        """
        search = load_search(str(self.path), self.path.parent)
        contenders = search.contenders
        if len(contenders) > 1 and search.finalists is None:
            names = ", ".join(trial.name for trial in contenders)
            with self.console.status("") as status:
                run_finalists(
                    self.path,
                    contenders,
                    data,
                    self.config.search,
                    self.workers,
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
            self._say(
                f"finalists: {len(contenders)} trials from {len(verdict['seeds'])} seeds each; {winner.name} has "
                f"{mean:.4f}, {margin:.4f} more than {verdict['runner_up']}"
                + (", no more than noise explains" if verdict["tied"] else "")
            )
        self._say(f"winner: {winner.name}, validation accuracy {winner.score:.4f} (averaged weights)")
        self._say("  " + ", ".join(f"{name} {value:.4g}" for name, value in winner.params.items()))
        return winner

    def refit(self, winner: TrialResult, material: Material) -> None:
        """Trains the winner anew on all training images, and tests it: ``best/``.

        Args:
            winner: The trial.
            material: All images.
        """
        recipe, best = self.config.refit.applied_to(winner.recipe), self.path / "best"
        chosen = json.dumps({"trial": winner.name, "recipe": recipe.model_dump(mode="json")}, indent=2)
        mark = best / "winner.json"
        if not mark.exists() or mark.read_text() != chosen:  # none yet, or a longer search found a better one
            shutil.rmtree(best, ignore_errors=True)
            best.mkdir()
            write_whole(mark, chosen)
            if self.mirror is not None:  # or a refit would go on from the earlier winner's
                patiently(self.mirror.push)
        if read_json(best / "metrics.json") is None:  # not there yet, or damaged
            metrics = self._refit(recipe, material)
            metrics |= json.loads(chosen) | {"validation_accuracy": winner.score}
            write_whole(best / "metrics.json", json.dumps(metrics, indent=2))
        metrics = read_json(best / "metrics.json")
        test = metrics["test_accuracy"]
        spread = "" if test["sd"] is None else f" ± {test['sd']:.4f}"
        self._say(
            f"test accuracy: {test['mean']:.4f}{spread} (n = {test['n']}, averaged weights), "
            f"raw weights {metrics['test_accuracy_raw']['mean']:.4f}"
        )
        self._say(f"results: {self.path}, {in_words(size_of(self.path))}")

    def _refit(self, recipe: Recipe, material: Material) -> dict[str, Any]:
        if changes := self.config.refit.model_dump(exclude_none=True):
            self._say("refit with " + ", ".join(f"{name} {value:,}" for name, value in changes.items()))
        runs = self.config.search.refit_seeds
        with self.console.status("") as status:
            return refit(
                recipe,
                material.refit_data(),
                material.dataset.test,
                self.config.search,
                self.workers,
                self.precision,
                self.path / "best",
                lambda done, total: status.update(f"refit over {runs} seeds: epoch {done} of {total}"),
                self.mirror,
            )

    def _say(self, line: str) -> None:
        say(self.console, line)
