"""Searches begun and resumed from Python."""

import errno
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import FloatDistribution
from ray.tune import Callback
from rich.console import Console

import tune_s11
from tune_s11.api.search import OpenedSearch
from tune_s11.config import InputError, Recipe
from tune_s11.results import load_search as load_results
from tune_s11.search.interruption import SearchInterruptedError
from tune_s11.search.workers.cluster import Resources


def opened(folder: Path, *arguments: Any, **options: Any) -> OpenedSearch:
    return tune_s11.Search("own", *arguments, storage=folder.parent, **options).opened(Console())


def test_a_search_that_has_started_keeps_its_space(finished: Path) -> None:
    began = load_results("own", finished.parent)
    assert opened(finished).session.config == began.config
    more = opened(finished, None, {"search.samples": 40})
    assert more.path == finished
    assert more.session.config.search.samples == 40
    with pytest.raises(InputError, match=r"^--samples 2: \d+ trials have started; expected \d+ or more$"):
        opened(finished, None, {"search.samples": 2})
    with pytest.raises(InputError, match=f"^--name own: {finished} exists"):
        opened(finished, "quick", resume=False)
    first = opened(finished / "none", "quick", warm_start=finished)
    assert first.session.warm_start == tuple(trial.recipe for trial in began.contenders)
    assert not first.path.exists()


def test_arguments_reach_the_session(finished: Path) -> None:
    callback = Callback()
    options = {"precision": "fp32", "compiled": "on", "callbacks": [callback], "gpus": 0, "workers": 1}
    search = opened(finished, stall_timeout=7, budget=9, **options)
    session = search.session
    assert (session.precision, session.compiled, session.callbacks) == ("fp32", "on", (callback,))
    assert search.resources == Resources(None, 0, 1, 1)
    assert (search.stall_timeout, search.budget) == (7, 9)


def test_a_full_disk_is_one_line_and_an_interruption_is_told_while_nothing_runs_on_ray(finished: Path) -> None:
    search = opened(finished)

    def fails() -> None:
        with search.explained():
            raise RuntimeError from OSError(errno.ENOSPC, "", "/results/a")

    def interrupted() -> None:
        with search.explained():
            signal.raise_signal(signal.SIGTERM)

    kept = f"everything in {finished} is kept; the same call resumes it"
    with pytest.raises(InputError, match=f"^/results/a: No space left on device; {kept}$"):
        fails()
    with pytest.raises(SearchInterruptedError):
        interrupted()


def test_a_resumed_search_keeps_its_tracker_unless_another_or_none_is_asked_for(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "own")
    assert opened(folder).session.tracker is None
    (folder / "tracked.jsonl").write_text('{"tracker": "wandb"}\n')
    assert opened(folder).session.tracker == "wandb"
    assert opened(folder, track="none").session.tracker is None
    assert opened(folder, track="mlflow").session.tracker == "mlflow"


def test_a_resumed_search_keeps_its_warm_start(finished: Path, tmp_path: Path) -> None:
    recipes = [Recipe(max_lr=0.3), Recipe(max_lr=0.2, momentum=0.8)]
    folder = shutil.copytree(finished, tmp_path / "own")
    plain = json.loads((folder / "manifest.json").read_text())
    assert opened(folder).session.warm_start == ()
    plain["warm_start"] = [recipe.model_dump() for recipe in recipes]
    (folder / "manifest.json").write_text(json.dumps(plain))
    assert opened(folder).session.warm_start == tuple(recipes)
    assert opened(folder, warm_start="gone by now").session.warm_start == tuple(recipes)


def test_a_target_that_was_given_later_is_kept_unless_another_is_given(finished: Path, tmp_path: Path) -> None:
    started = load_results("own", finished.parent).config
    assert started.search.target is None
    folder = shutil.copytree(finished, tmp_path / "own")
    space = folder / "search.yaml"
    space.write_text(space.read_text().replace("target: null", "target: 0.9"))
    for arguments in ((), (started,)):
        assert opened(folder, *arguments).session.config.search.target == 0.9
    assert opened(folder, started, {"search.target": 0.8}).session.config.search.target == 0.8


def test_a_search_that_must_have_started(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^--resume own: no such search; {tmp_path} has none$"):
        opened(tmp_path / "own", resume=True)
    new = opened(tmp_path / "own", settings={"data_dir": tmp_path / "images", "dataset": "folder"}, lr_bounds=(0.1, 1))
    assert new.session.config.recipe.data_dir == str(tmp_path / "images")
    assert new.session.config.space["max_lr"] == FloatDistribution(0.1, 1, log=True)
    with pytest.raises(InputError, match=r"^--name '\.\./own': expected one folder name"):
        tune_s11.Search("../own", storage=tmp_path).opened(Console())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_search_is_run_resumed_and_read(tmp_path: Path) -> None:
    """In a process of its own, as a script or a notebook would: Ray stays in the process that started it."""
    program = f"""
import tune_s11
from ray.tune import Callback

class Count(Callback):
    ended = 0

    def on_trial_complete(self, iteration, trials, trial, **info):
        Count.ended += 1

settings = {{"image_size": 8, "width": 4, "epochs": 3, "peak_epoch": 1, "pad": 1, "cutout": 2, "search.samples": 2}}
settings |= {{"search.grace": 1, "search.lr_range_steps": 30, "train_images": 400}}
search = tune_s11.Search("mine", "quick", settings, storage={str(tmp_path)!r}, workers=1, callbacks=[Count()])
done = search.run()
assert Count.ended == 2, Count.ended
assert len(done.trials) == 2
assert done.test_accuracy.n == 1
assert done.report.read_text().strip().endswith("</html>")
again = search.run()
assert Count.ended == 2
assert again.trials.equals(done.trials)
try:
    tune_s11.Search("mine", "quick", settings | {{"width": 8}}, storage={str(tmp_path)!r}).run()
except tune_s11.config.InputError as error:
    assert "width" in str(error), error
else:
    raise AssertionError("another configuration was taken for the same search")
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=570, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("done\n")
