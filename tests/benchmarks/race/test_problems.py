from pathlib import Path

import numpy as np
import pytest

from benchmarks.race.problems import DEFAULTS, PROBLEMS, SPACE, defaults, draw, find_problem, load_inputs
from tune_s11.config import InputError


def test_a_configuration_follows_from_seed_and_number() -> None:
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)
    assert draw(7) != draw(7, seed=1)
    assert draw(0) == {  # pools are resumed for as long as this holds
        "max_lr": 0.153,
        "min_lr_fraction": 0.0012,
        "momentum": 0.04056,
        "weight_decay": 1.21e-06,
        "label_smoothing": 0.244,
    }


def test_configurations_fill_the_space() -> None:
    drawn = [draw(number) for number in range(400)]
    assert all(SPACE[name].low <= value <= SPACE[name].high for config in drawn for name, value in config.items())
    rates = np.log10([config["max_lr"] for config in drawn])
    assert np.histogram(rates, bins=5, range=(-4, 1))[0].min() > 50
    assert np.histogram([config["momentum"] for config in drawn], bins=3)[0].min() > 100


def test_the_defaults_are_the_recipes() -> None:
    assert defaults() == {  # recorded runs hold for as long as this does
        "max_lr": 0.4,
        "min_lr_fraction": 0.01,
        "momentum": 0.9,
        "weight_decay": 0.0005,
        "label_smoothing": 0.0,
    }
    recipe = PROBLEMS["digits-s11"].recipe()
    assert all(getattr(recipe, name) == value for name, value in defaults().items())
    assert 10_000 < DEFAULTS < 1_000_000  # above any pool, below the seeds of repeats


def test_one_problem_is_kept_for_the_end() -> None:
    assert [name for name, problem in PROBLEMS.items() if problem.aside] == ["digits-transformer", "digits-recurrent"]


def test_no_problem_fixes_what_the_space_chooses() -> None:
    assert not {name for problem in PROBLEMS.values() for name in problem.fields} & SPACE.keys()


def test_digits_are_divided_as_in_earlier_recordings() -> None:
    inputs, dataset = load_inputs(PROBLEMS["digits-s11"])
    assert inputs.data.validation is not None
    assert dataset.fingerprint == "b4cf216376cd9c95"  # of benchmarks/pruning/recordings/digits-wide.jsonl
    parts = (inputs.data.train, inputs.data.validation, inputs.held_out)
    assert [len(part) for part in parts] == [853, 284, 300]
    pixels = [{image.tobytes() for image in part.pixels} for part in parts]
    assert len(set.union(*pixels)) == sum(len(part) for part in pixels)
    assert not set.union(*pixels) & {image.tobytes() for image in dataset.test.pixels}


def test_cifar10_is_divided_into_3000_2000_and_5000() -> None:
    for name in ("cifar10-s11", "cifar10-groupnorm"):
        recipe = PROBLEMS[name].recipe()
        assert recipe.train_images is not None
        assert (round(recipe.train_images * recipe.val_fraction), recipe.train_images) == (2000, 5000)
        assert PROBLEMS[name].held_out == 5000
        assert recipe.width <= 16


def test_a_folder_takes_the_place_of_the_download(tmp_path: Path) -> None:
    recipe = PROBLEMS["cifar10-s11"].recipe(tmp_path)
    assert (recipe.dataset, recipe.data_dir) == ("folder", str(tmp_path))
    with pytest.raises(InputError, match="no such folder"):
        PROBLEMS["cifar10-s11"].recipe(tmp_path / "none")
    with pytest.raises(InputError, match="digits-s11 needs none"):
        PROBLEMS["digits-s11"].recipe(tmp_path)


def test_an_unknown_problem_is_refused() -> None:
    with pytest.raises(InputError, match="PROBLEM 'mnist': must be one of digits-plain, digits-s11"):
        find_problem("mnist", False, "records it")
