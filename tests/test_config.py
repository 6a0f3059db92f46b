"""Recipes and search settings: defaults, bounds, and errors of one line."""

from typing import Any

import pytest
from pydantic import ValidationError

from tune_s11.config import (
    SEARCHABLE,
    InputError,
    Recipe,
    SearchSettings,
    completed,
    validated,
)


def refusal(kind: type[Recipe] | type[SearchSettings], values: dict[str, Any], *, strict: bool = True) -> str:
    """The error line that the values earn."""
    with pytest.raises(InputError) as caught:
        validated(kind, values, "file.yaml: part.", strict=strict)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith("file.yaml: part.")
    return line.removeprefix("file.yaml: part.")


def test_the_default_recipe_is_the_s11_recipe() -> None:
    recipe = Recipe()
    assert (recipe.dataset, recipe.model, recipe.width, recipe.image_size) == ("cifar10", "s11", 64, 32)
    assert (recipe.schedule, recipe.epochs, recipe.peak_epoch) == ("one_cycle", 24, 5)
    assert (recipe.batch_size, recipe.pad, recipe.flip, recipe.cutout) == (512, 4, True, 8)
    assert recipe.ema_horizon == pytest.approx(1 / 3)


def test_an_error_is_one_line_that_a_terminal_cannot_obey() -> None:
    assert str(InputError("a\n  b \x1b[2J \ud7fc é")) == "a b \\x1b[2J \\ud7fc é"


def test_min_lr_is_a_fraction_of_max_lr() -> None:
    assert Recipe(max_lr=0.5, min_lr_fraction=0.02).min_lr == pytest.approx(0.01)


def test_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().epochs = 3  # type: ignore[misc]


def test_searchable_fields_are_those_that_leave_trials_comparable() -> None:
    assert len(SEARCHABLE) == 11
    assert set(SEARCHABLE) == {
        *("max_lr", "min_lr_fraction", "peak_epoch"),
        *("momentum", "weight_decay", "label_smoothing", "logit_scale", "batch_size"),
        *("width", "pad", "cutout"),
    }
    assert set(SEARCHABLE) <= set(Recipe.model_fields)


@pytest.mark.parametrize(
    ("field", "edge", "beyond"),
    [
        ("image_size", 16, 0),
        ("image_size", 40, 36),
        ("train_images", 1, 0),
        ("val_fraction", 0.999, 1.0),
        ("val_fraction", 0.001, 0.0),
        ("width", 1, 0),
        ("epochs", 6, 5),
        ("peak_epoch", 23.9, 24.0),
        ("peak_epoch", 0.1, 0.0),
        ("max_lr", 1e-9, 0.0),
        ("min_lr_fraction", 0.0, -0.1),
        ("min_lr_fraction", 1.0, 1.1),
        ("batch_size", 1, 0),
        ("momentum", 0.0, -0.1),
        ("momentum", 0.999, 1.0),
        ("weight_decay", 0.0, -1e-9),
        ("label_smoothing", 0.999, 1.0),
        ("logit_scale", 0.125, 0.0),
        ("ema_horizon", 0.0, -0.01),
        ("pad", 31, 32),
        ("pad", 0, -1),
        ("cutout", 31, 32),
        ("cutout", 0, -1),
    ],
)
def test_bounds_of_the_recipe(field: str, edge: float, beyond: float) -> None:
    assert getattr(validated(Recipe, {field: edge}, "", strict=True), field) == edge
    line = refusal(Recipe, {field: beyond})
    assert field in line
    assert f"{beyond:g}" in line


@pytest.mark.parametrize(
    ("field", "edge", "beyond"),
    [("plateau_patience", 1, 0), ("plateau_factor", 0.999, 1.0), ("plateau_factor", 0.001, 0.0)],
)
def test_a_plateau_has_fields_of_its_own(field: str, edge: float, beyond: float) -> None:
    assert getattr(Recipe(schedule="plateau", **{field: edge}), field) == edge
    line = refusal(Recipe, {"schedule": "plateau", field: beyond})
    assert line.startswith(f"{field}: {beyond}: input should be ")
    assert refusal(Recipe, {field: edge}) == f"{field} {edge:g}: needs schedule plateau (got one_cycle)"


def test_what_an_earlier_version_wrote_is_completed_by_defaults_alone() -> None:
    earlier = {"epochs": 12, "unknown": 1}
    complete = completed(Recipe, earlier)
    assert complete == Recipe().model_dump(mode="json") | earlier
    assert earlier == {"epochs": 12, "unknown": 1}


@pytest.mark.parametrize(
    ("field", "edge", "beyond"),
    [
        ("samples", 1, 0),
        ("grace", 1, 0),
        ("factor", 1.1, 1.0),
        ("lr_range_steps", 20, 19),
        ("lr_range_seeds", 1, 0),
        ("lr_range_trials", 1, 0),
        ("lr_range_trials", 3, 4),
        ("refit_seeds", 1, 0),
        ("seed", 0, -1),
        ("seed", 2**31 - 1, 2**31),
        ("max_failures", 0, -1),
    ],
)
def test_bounds_of_the_search(field: str, edge: float, beyond: float) -> None:
    assert getattr(validated(SearchSettings, {field: edge}, "", strict=True), field) == edge
    assert refusal(SearchSettings, {field: beyond}).startswith(f"{field}: {beyond}")


def test_the_range_test_on_the_command_line() -> None:
    assert validated(SearchSettings, {"lr_range": "0.001,1"}, "", strict=False).lr_range == (0.001, 1.0)
    with pytest.raises(InputError, match=r"^search.lr_range: '0.001': expected LOW,HIGH$"):
        validated(SearchSettings, {"lr_range": "0.001"}, "search.", strict=False)


@pytest.mark.parametrize("bounds", [[0.1, 0.1], [1.0, 0.1]])
def test_the_range_test_must_rise(bounds: list[float]) -> None:
    assert "expected low < high" in refusal(SearchSettings, {"lr_range": bounds})


def test_a_folder_needs_its_directory() -> None:
    assert "needs data_dir" in refusal(Recipe, {"dataset": "folder"})
    assert validated(Recipe, {"dataset": "folder", "data_dir": "images"}, "", strict=True).data_dir == "images"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_are_finite(value: float) -> None:
    assert refusal(Recipe, {"max_lr": value}).startswith("max_lr")


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"epochs": 24.5}, ["epochs: 24.5", "integer"]),
        ({"epochs": "24"}, ["epochs: '24'", "integer"]),
        ({"flip": 1}, ["flip: 1", "boolean"]),
        ({"dataset": "mnist"}, ["dataset: 'mnist'", "cifar10", "digits", "folder"]),
        ({"max_lr": "1e-4"}, ["max_lr: '1e-4'", "number", "write 0.0001"]),
        ({"max_lr": "high"}, ["max_lr: 'high'", "number"]),
        ({"momntum": 0.9}, ["momntum: unknown key", "did you mean momentum?"]),
        ({"xyzzy": 0.9}, ["xyzzy: unknown key", "expected one of ", "weight_decay"]),
        ({"two\nlines": 1}, [r"'two\nlines': unknown key"]),
    ],
)
def test_an_error_names_key_value_and_what_is_allowed(values: dict[str, Any], parts: list[str]) -> None:
    line = refusal(Recipe, values)
    assert [part for part in parts if part not in line] == []


def test_text_from_the_command_line_is_read_as_the_field_demands() -> None:
    recipe = validated(Recipe, {"epochs": "12", "max_lr": "1e-1", "flip": "false"}, "--set ", strict=False)
    assert (recipe.epochs, recipe.max_lr, recipe.flip) == (12, 0.1, False)
    assert refusal(Recipe, {"epochs": "many"}, strict=False).startswith("epochs: 'many'")


@pytest.mark.parametrize("target", [0, 1, -0.1, 90])
def test_a_target_lies_between_0_and_1(target: float) -> None:
    assert refusal(SearchSettings, {"target": target}).startswith(f"target: {target}: input should be ")


def test_a_target_needs_a_spread_over_seeds() -> None:
    line = refusal(SearchSettings, {"target": 0.9, "finalist_seeds": 1})
    assert line == "finalist_seeds 1: must be at least 2 with a target"


def test_a_recipe_in_other_epochs_keeps_the_shape_of_its_cycle() -> None:
    recipe = Recipe(epochs=24, peak_epoch=5)
    short = recipe.resized(6)
    assert short.model_dump() == recipe.model_dump() | {"epochs": 6, "peak_epoch": 1.25}
