"""A whole search on two workers: range test, trials under ASHA, refit."""

import json
import math
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from wsgiref.util import setup_testing_defaults

import numpy as np
import optuna
import optuna_dashboard
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from ray.exceptions import RayError
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tune_s11.cli import train
from tune_s11.config import InputError
from tune_s11.data import Dataset, Images
from tune_s11.hardware import Compile, Hardware
from tune_s11.results import SearchResult, load_search
from tune_s11.results.folder import LAYOUT
from tune_s11.results.records import RefitScores, Winner, read_record
from tune_s11.results.tested_epochs import read_test_curve
from tune_s11.search import session as session_module
from tune_s11.search.failures import SearchFailedError
from tune_s11.search.resume_checks import check_same_search, earlier_manifest
from tune_s11.search.session import Session
from tune_s11.search.workers.cluster import Resources, Workers
from tune_s11.search_space import SearchConfig, load_space
from tune_s11.storage.workspace import Local
from tune_s11.training.metrics import EpochMetrics, RunFolder
from tune_s11.training.trainer import TrainingData

HEADS = (
    *("search", "data:", "mlflow", "dashboard", "ASHA", "range test", "finalists", "winner", "  max_lr"),
    *("refit with", "refits of", "refit over", "test accuracy", "results", "best trials", "next"),
)
"""How the lines of the output begin, but for those on a trial."""


def open_study(path: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(path / "study.log")))
    return optuna.load_study(study_name="tune_s11", storage=storage)


@pytest.fixture(scope="module")
def output(program) -> str:
    done = program.run("--space", str(program.space), "--name", "whole", "--track", "mlflow", MLFLOW_TRACKING_URI="")
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def search(output: str, program) -> SearchResult:
    return load_search("whole", program.storage)


def test_says_what_it_does_and_nothing_of_ray_is_printed(output: str) -> None:
    assert len(output.splitlines()) <= 40
    for words in (
        "2 workers",
        "rungs at epoch 2, 4",
        "dashboard: http://127.0.0.1",
        "max_lr between",
        "6/6 done",
        " left",
        "best trials",
    ):
        assert words in output
    for line in output.splitlines():
        assert not line or line.startswith(HEADS) or re.match(r"t\d{4} ", line), line


def session_in(path: Path, config: SearchConfig, wish: Compile = "off") -> Session:
    return Session(Local(path, LAYOUT), config, "fp32", wish, Console())


def test_a_target_after_the_search_shortens_the_refits(search: SearchResult, program) -> None:
    """Trials and finalists stay; the winner is trained in fewer epochs, and refit in the fewest that suffice."""
    shutil.copytree(search.path, program.storage / "shorter")
    done = program.run("--resume", "shorter", "--target", "0.02", "--no-report")
    after = load_search("shorter", program.storage)
    lengths, winner, judged = after.lengths, search.winner, after.finalists
    assert lengths is not None
    assert winner is not None
    assert judged is not None
    assert judged == search.finalists
    # With two seeds the limit lies far below the mean: now and then not even six epochs reach it.
    epochs = lengths.fewest or 6
    assert f"target 0.02: {'reached' if lengths.fewest else 'not reached'} by {epochs} epoch" in done.stdout
    assert [tried.epochs for tried in lengths.tried][:2] == ([6, 3] if lengths.fewest else [6])
    assert all(tried.low is not None for tried in lengths.tried)
    reached = {tried.epochs for tried in lengths.tried if (tried.low or 0.0) >= 0.02}
    assert reached == {tried.epochs for tried in lengths.tried if lengths.fewest and tried.epochs >= lengths.fewest}
    assert not lengths.tried[0].scores.keys() & {*judged.seeds}
    assert after.refit is not None
    assert (after.refit.recipe.epochs, after.refit.trial) == (epochs, winner.name)
    assert after.refit.recipe.peak_epoch == pytest.approx(winner.recipe.peak_epoch * epochs / 6)
    assert [trial.rows for trial in after.trials] == [trial.rows for trial in search.trials]
    again = program.run("--resume", "shorter", "--no-report")
    assert f"reached by {epochs} epoch" in again.stdout
    assert load_search("shorter", program.storage).refit == after.refit

    unreachable = program.run("--resume", "shorter", "--target", "0.999", "--no-report")
    assert "target 0.999: not reached by 6 epochs with" in unreachable.stdout
    replaced = f"refits of {winner.name} in {epochs} epochs are replaced by those of {winner.name} in 6"
    assert (replaced in unreachable.stdout) == (epochs != 6)
    assert (kept := load_search("shorter", program.storage).refit) is not None
    assert kept.recipe.epochs == 6


def test_trials_are_compiled_as_those_before_but_on_cpus_only_if_asked(
    search: SearchResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = [SimpleNamespace(hardware=Hardware(device="cuda", precision="bf16", threads=1, compiled=True))]
    monkeypatch.setattr(session_module, "read_trials", lambda *_: begun)

    def compiles(wish: Compile, gpus: float) -> bool:
        workers, unasked = Workers(2, 1, gpus, 2), None
        return session_in(search.path, search.config, wish)._compiles(unasked, workers, math.inf)  # type: ignore[arg-type]

    assert compiles("auto", 1.0)
    assert not compiles("auto", 0.0)
    assert compiles("on", 0.0)
    assert not compiles("off", 1.0)


IMAGES = Images(np.zeros((4, 8, 8, 3), np.uint8), np.array([0, 1, 0, 1]))


def test_a_search_records_what_its_later_sessions_are_compared_with(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.json"
    file.write_text("{}")
    session = session_in(tmp_path, load_space("quick").with_overrides({"augmentation": str(file)}))
    session._begin(Dataset(("cat", "dog"), IMAGES, IMAGES))
    before = earlier_manifest(session.folder)
    assert before is not None
    check_same_search(session.folder, session.config, before)
    file.write_text("[]")
    with pytest.raises(InputError, match="the file has changed"):
        check_same_search(session.folder, session.config, before)


@pytest.mark.parametrize("note", ["no GPU is used: the driver is too old", None])
def test_a_gpu_that_is_not_used_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], note: str | None) -> None:
    data = TrainingData(IMAGES, IMAGES, 2, (0.5,) * 3, (0.2,) * 3)
    inputs = SimpleNamespace(dataset=Dataset(("cat", "dog"), IMAGES, IMAGES), data=data)
    ready: Any = SimpleNamespace(inputs=inputs, cluster=SimpleNamespace(workers=Workers(2, 1, 0, 2), note=note))
    session_in(tmp_path, load_space("quick"))._describe(ready)
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if "GPU" in line] == ([] if note is None else [note])


class Copied(Local):
    """A folder with a copy somewhere: copying ends with a look at what there is to copy."""

    @contextmanager
    def copying(self, say: Callable[[str], None]) -> Iterator[None]:
        try:
            yield
        finally:
            EVENTS.append(f"copied, error.txt {'written' if (self.folder / 'error.txt').exists() else 'missing'}")

    def finish(self) -> None:
        EVENTS.append("copied once more")


EVENTS: list[str] = []


def test_an_error_and_the_tracker_s_record_are_copied_too(
    search: SearchResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def tracked(*_: object) -> Iterator[Callable[[], None]]:
        try:
            yield lambda: None
        finally:
            EVENTS.append("tracked")

    def fail(*_: object) -> None:
        raise RayError("a worker has failed")

    ready = SimpleNamespace(inputs=SimpleNamespace(dataset=None), cluster=SimpleNamespace(dashboard=None))
    monkeypatch.setattr(session_module, "tracked", tracked)
    monkeypatch.setattr(Session, "_ready", lambda *_: nullcontext(ready))
    for step in ("_begin", "_describe"):
        monkeypatch.setattr(Session, step, lambda *_: None)
    monkeypatch.setattr(Session, "_run_steps", fail)
    session = session_in(search.path, search.config)
    session = replace(session, workspace=Copied(tmp_path / "new", LAYOUT), tracker="wandb")
    EVENTS.clear()
    with pytest.raises(SearchFailedError, match="a worker has failed"):
        session.run(Resources(None, None, None, 1))
    assert EVENTS == ["copied, error.txt written", "tracked", "copied once more"]


def test_a_new_search_may_use_matrix_products(search: SearchResult) -> None:
    assert json.loads((search.path / "manifest.json").read_text())["matrix_products"]


def test_every_trial_ends_and_the_study_knows_how(search: SearchResult) -> None:
    study = open_study(search.path)
    assert len(study.trials) == len(search.trials) == 6
    assert search.bounds is not None
    assert search.bounds.momentum == 0.9
    for frozen, trial in zip(study.trials, search.trials, strict=True):
        assert frozen.state.name == ("COMPLETE" if trial.state == "complete" else "PRUNED")
        scale = search.bounds.scale(trial.params["momentum"])  # the study has max_lr at the recipe's momentum
        assert trial.params == frozen.params | {"max_lr": pytest.approx(scale * frozen.params["max_lr"])}
        assert frozen.intermediate_values == {row.epoch: row.ema_val_accuracy for row in trial.rows}
        assert [row.epoch for row in trial.rows] == list(range(1, trial.epoch + 1))
        assert trial.epoch in {2, 4, 6} or trial.state == "diverged"
        assert trial.seed == trial.number


def test_first_trial_is_the_suggestion_clipped_to_the_space(search: SearchResult) -> None:
    bounds, first = search.bounds, search.trials[0]
    assert bounds is not None
    assert first.params["max_lr"] == pytest.approx(bounds.suggestion)
    assert first.params["min_lr_fraction"] == pytest.approx(max(1e-4, min(bounds.min_lr / bounds.suggestion, 0.2)))
    assert first.params["momentum"] == 0.9
    for trial in search.trials:
        assert bounds.low <= trial.params["max_lr"] / bounds.scale(trial.params["momentum"]) <= bounds.high * (1 + 1e-9)


def test_the_winner_is_refit_and_tested(search: SearchResult) -> None:
    winner, metrics = search.winner, search.refit
    assert winner is not None
    assert metrics is not None
    assert metrics.trial == winner.name
    assert metrics.recipe.model_dump() == winner.recipe.model_dump() | {"width": 6}
    assert metrics.validation_accuracy == winner.score
    assert read_record(Winner, search.path / "best" / "winner.json") == Winner(trial=winner.name, recipe=metrics.recipe)
    accuracies = []
    for seed in (0, 1):
        stored = np.load(search.path / "best" / f"seed-{seed}" / "test_logits.npz")
        assert stored["ema"].shape == (360, 10)
        accuracies.append(np.mean(stored["ema"].argmax(1) == stored["labels"]))
    assert [run.ema for run in metrics.runs] == accuracies
    assert metrics.test_accuracy.model_dump() == {
        "mean": pytest.approx(np.mean(accuracies)),
        "sd": pytest.approx(np.std(accuracies, ddof=1)),
        "n": 2,
    }


def test_first_refit_alone_has_a_test_curve_that_ends_at_its_score(search: SearchResult) -> None:
    first, second = search.folder.refit(0), search.folder.refit(1)
    rows = read_test_curve(first.test_curve)
    assert [row.epoch for row in rows] == [1, 2, 3, 4, 5, 6]
    scores = read_record(RefitScores, first.scores)
    assert (rows[-1].test_accuracy, rows[-1].ema_test_accuracy) == (scores.raw, scores.ema)
    assert len(first.epochs()) == 6
    assert all(row.val_accuracy is None for row in first.epochs())
    assert not second.test_curve.exists()


def test_folder_holds_enough_to_repeat_and_no_loser_s_checkpoint(search: SearchResult) -> None:
    manifest = json.loads((search.path / "manifest.json").read_text())
    assert {"packages", "machine", "command", "seed", "git_commit", "data"} <= manifest.keys()
    assert manifest["data"]["test_images"] == 360
    assert not list((search.path / "trials").glob("t*/checkpoint_*"))


def test_a_trial_is_repeated_bit_for_bit(search: SearchResult, program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.argv", ["train", "--trial", "whole/t0001", "--name", "again", "--storage", str(program.storage)]
    )
    with pytest.raises(SystemExit) as exit:
        train.main()
    assert exit.value.code == 0

    def without_times(row: EpochMetrics) -> EpochMetrics:
        return replace(row, seconds=0, images_per_second=0)

    rows = RunFolder(program.storage / "again").epochs()
    assert len(rows) >= len(search.trials[1].rows) > 0
    for once, again in zip(search.trials[1].rows, rows, strict=False):
        assert without_times(once) == without_times(again)


def test_optuna_dashboard_opens_the_study(search: SearchResult) -> None:
    environment: dict[str, Any] = {"PATH_INFO": "/api/studies"}
    setup_testing_defaults(environment)
    storage = JournalStorage(JournalFileBackend(str(search.path / "study.log")))
    answer = b"".join(optuna_dashboard.wsgi(storage)(environment, lambda status, headers, info=None: None))
    (study,) = json.loads(answer)["study_summaries"]
    assert study["study_name"] == "tune_s11"


def test_tensorboard_shows_each_trial_under_a_name_that_tells_it_apart(search: SearchResult) -> None:
    for trial in search.trials:
        (run,) = (search.path / "tensorboard").glob(f"{trial.name} lr=* min=* mom=*")
        events = EventAccumulator(str(run)).Reload()
        for tag, key in (("accuracy/validation_averaged", "ema_val_accuracy"), ("learning_rate", "lr")):
            drawn = [(event.step, event.value) for event in events.Scalars(tag)]
            assert drawn == [(row.epoch, pytest.approx(getattr(row, key))) for row in trial.rows]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # MLflow's
def test_mlflow_has_a_run_of_each_trial_and_refit(search: SearchResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{search.folder.mlflow}")
    (experiment,) = client.search_experiments(filter_string="name = 'whole'")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    for trial in search.trials:
        run = runs.pop(trial.name)
        assert run.data.tags["state"] == trial.state
        history = client.get_metric_history(run.info.run_id, "accuracy/validation_averaged")
        assert [(each.step, each.value) for each in history] == [(row.epoch, row.score) for row in trial.rows]
        assert float(run.data.params["max_lr"]) == trial.params["max_lr"]
    assert search.refit is not None
    shipped = {f"{search.refit.trial}-refit-{run.seed}": run.shipped for run in search.refit.runs}
    assert {name: run.data.metrics["test_accuracy"] for name, run in runs.items()} == shipped


@pytest.mark.slow
def test_the_best_of_the_finalists_wins(program) -> None:
    bounds = ("--lr-bounds", "0.02", "0.3")
    done = program.run("--space", str(program.space), "--name", "judged", "--no-asha", "--samples", "3", *bounds)
    search = load_search("judged", program.storage)
    scores = sorted((trial.score for trial in search.trials), reverse=True)
    assert [trial.score for trial in search.contenders] == scores[:2]
    verdict = search.finalists
    assert verdict is not None
    means = {}
    for trial in search.contenders:
        again = [search.folder.finalist(trial.name, seed).epochs()[-1].score for seed in verdict.seeds]
        assert list(verdict.trials[trial.name].scores) == again
        means[trial.name] = np.mean(again)
    assert search.winner is not None
    assert search.winner.name == verdict.winner == max(means, key=lambda name: means[name])
    assert f"{verdict.winner} has {means[verdict.winner]:.4f}" in done.stdout
