"""What ``import tune_s11`` hands out, and that it costs nothing before it is used."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from optuna.distributions import FloatDistribution
from rich.console import Console

import tune_s11
from tune_s11.api.search import OpenedSearch
from tune_s11.config import InputError
from tune_s11.results import load_search as load_results


def test_importing_it_brings_nothing_heavy() -> None:
    heavy = ["torch", "ray", "pandas", "numpy", "pydantic", "typer", "tune_s11.api"]
    program = f"import sys, tune_s11; dir(tune_s11); print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_all_is_there_and_nothing_else() -> None:
    for name in tune_s11.__all__:
        assert getattr(tune_s11, name) is not None
        assert name in dir(tune_s11)
    with pytest.raises(AttributeError, match="module 'tune_s11' has no attribute 'load_worst'"):
        tune_s11.load_worst  # noqa: B018
    assert (Path(tune_s11.__file__).parent / "py.typed").exists()


def test_load_search_has_the_trials_as_a_table(finished: Path) -> None:
    search = tune_s11.load_search("own", finished.parent)
    assert (search.name, search.path, search.winner) == ("own", finished, "t0002")
    assert isinstance(search.trials, pd.DataFrame)
    assert search.trials.index.name == "trial"
    assert list(search.trials.columns) == ["state", "epoch", "score", "seed", "max_lr", "momentum"]
    assert search.trials.loc["t0002"].to_dict() == {
        **{"state": "complete", "epoch": 6, "score": 0.84, "seed": 42},
        **{"max_lr": pytest.approx(0.4), "momentum": 0.95},
    }
    assert list(search.trials.index[:2]) == ["t0002", "t0000"]
    assert search.trials["score"].isna().tolist() == [name == "t0005" for name in search.trials.index]
    assert search.recipe is not None
    assert search.recipe.width == 3
    assert search.test_accuracy is not None
    assert search.test_accuracy.n == 2
    assert tune_s11.load_search(None, str(finished.parent)).name == "own"


def test_a_search_that_has_just_begun(finished: Path) -> None:
    for name in ("trials", "best"):
        shutil.rmtree(finished / name)
    search = tune_s11.load_search(finished, finished.parent)
    assert len(search.trials) == 0
    assert list(search.trials.columns) == ["state", "epoch", "score", "seed", "max_lr", "momentum"]
    assert (search.winner, search.recipe, search.test_accuracy) == (None, None, None)
    with pytest.raises(InputError, match="own: has no winner yet"):
        tune_s11.load_best(finished)
    with pytest.raises(InputError, match="nobody: no such search"):
        tune_s11.load_search("nobody", finished.parent)


def test_load_best_classifies(finished: Path) -> None:
    model = tune_s11.load_best("own", finished.parent)
    probabilities = model(torch.zeros((2, 3, 32, 32), dtype=torch.uint8))
    assert probabilities.shape == (2, 3)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(2))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"gpus": -1}, "gpus: must be a whole number from 0 (got -1)"),
        ({"workers": 0}, "workers: must be a whole number from 1 (got 0)"),
        ({"workers": True}, "workers: must be a whole number from 1 (got True)"),
        ({"trials_per_gpu": "all"}, "trials_per_gpu: must be a whole number from 1, or auto (got 'all')"),
        ({"trials_per_gpu": None}, "trials_per_gpu: must be a whole number from 1, or auto (got None)"),
        ({"budget": "2h"}, "budget: must be a number of seconds above 0 (got '2h')"),
        ({"stall_timeout": 0}, "stall_timeout: must be a number of seconds above 0 (got 0)"),
        ({"precision": "fp8"}, "precision: must be one of auto, fp32, bf16 (got 'fp8')"),
        ({"track": "paper"}, "track: must be one of wandb, mlflow, none (got 'paper')"),
    ],
)
def test_a_search_refuses_what_it_cannot_run_with(options: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as refused:
        tune_s11.Search("mine", **options)
    assert str(refused.value) == line


def opened(folder: Path, *arguments: Any, **options: Any) -> OpenedSearch:
    return tune_s11.Search("own", *arguments, storage=folder.parent, **options).opened(Console())


def test_a_search_that_has_started_keeps_its_space(finished: Path) -> None:
    began = load_results("own", finished.parent)
    assert opened(finished).session.config == began.config
    more = opened(finished, None, {"search.samples": 40})
    assert more.path == finished
    assert more.session.config.search.samples == 40
    with pytest.raises(InputError, match=r"^--samples 2: \d+ trials have begun; expected \d+ or more$"):
        opened(finished, None, {"search.samples": 2})
    with pytest.raises(InputError, match=f"^--name own: {finished} exists"):
        opened(finished, "quick", resume=False)
    first = opened(finished / "none", "quick", warm_start=finished)
    assert first.session.warm_start == tuple(trial.recipe for trial in began.contenders)
    assert not first.path.exists()


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
