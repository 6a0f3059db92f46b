"""Space files: those that ship, exact round trips, one-line errors, and whatever a fuzzer thinks of."""

import re
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from tune_s11.config import SEARCHABLE, InputError, Recipe, RefitChanges, SearchSettings
from tune_s11.search_space import RANGE_TEST, SearchConfig, clip, load_space, parse_space, spaces_folder
from tune_s11.space_schema import space_schema

SCHEMA = Draft7Validator(space_schema())
SHIPPED = sorted(Path(__file__).resolve().parent.parent.glob("search_spaces/*.yaml"))


def parsed(text: str) -> SearchConfig:
    return parse_space(yaml.safe_load(text), "mine.yaml: ")


def refusal(path: Path, text: str | bytes) -> str:
    """The error line that a space file earns."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError) as caught:
        load_space(str(path))
    line = str(caught.value)
    assert line.isprintable()
    return line


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return tmp_path / "mine.yaml"


# Files that ship.


def test_the_shipped_files_are_found() -> None:
    assert {"s11", "seed", "quick", "wide"} <= {path.stem for path in SHIPPED}
    assert spaces_folder() == SHIPPED[0].parent


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_file_loads_by_name_and_by_path(path: Path) -> None:
    config = load_space(path.stem)
    assert config == load_space(str(path))
    assert config.checked_for_search() is config


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_file_round_trips(path: Path) -> None:
    config = load_space(str(path))
    assert parsed(config.to_yaml()) == config


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_file_says_what_the_search_reads(path: Path) -> None:
    config, text = load_space(str(path)), yaml.safe_load(path.read_text())
    for part in ("recipe", "search"):
        stated = text.get(part, {})
        assert getattr(config, part).model_dump(include=set(stated)) == stated
    assert list(config.space) == list(text["space"])


def test_s11_states_the_recipe_that_is_the_default() -> None:
    assert load_space("s11").recipe == Recipe()


def test_the_seed_states_every_field_of_its_recipe_and_takes_back_each_addition() -> None:
    seed, text = load_space("seed"), yaml.safe_load((spaces_folder() / "seed.yaml").read_text())
    assert set(Recipe.model_fields) - set(text["recipe"]) == {
        *("data_dir", "train_images", "test_fraction", "max_lr", "min_lr_fraction"),
        *("plateau_patience", "plateau_factor"),
    }
    changed = {name for name, value in seed.recipe if value != getattr(Recipe(), name)}
    assert changed == {"augmentation", "pad_mode", "nesterov", "logit_scale", "ema_horizon"}
    assert seed.space == {"max_lr": RANGE_TEST, "min_lr_fraction": RANGE_TEST}
    assert (seed.search.samples, seed.search.finalists, seed.search.scheduler) == (1, 0, "none")


# Round trips.


def bounds(low: float, high: float) -> st.SearchStrategy[tuple[float, float]]:
    ends = st.floats(low, high, allow_subnormal=False)
    return st.tuples(ends, ends).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: (min(pair), max(pair)))


def floats(low: float, high: float) -> st.SearchStrategy[BaseDistribution]:
    uniform = bounds(low, high).map(lambda pair: FloatDistribution(*pair))
    log_uniform = bounds(max(low, 1e-9), high).map(lambda pair: FloatDistribution(*pair, log=True))
    choice = st.lists(st.floats(low, high), min_size=1, max_size=5).map(CategoricalDistribution)
    return uniform | log_uniform | choice


def whole(low: int, high: int) -> st.SearchStrategy[BaseDistribution]:
    return st.lists(st.integers(low, high), min_size=1, max_size=5).map(CategoricalDistribution)


SPACES = st.fixed_dictionaries(
    {},
    optional={
        "max_lr": floats(1e-9, 1e9) | st.just(RANGE_TEST),
        "min_lr_fraction": floats(0, 1) | st.just(RANGE_TEST),
        "momentum": floats(0, 0.999),
        "weight_decay": floats(0, 10),
        "label_smoothing": floats(0, 0.999),
        "logit_scale": floats(1e-6, 100),
        "peak_epoch": floats(0.01, 5.9),
        "batch_size": whole(1, 10**6),
        "width": whole(1, 512),
        "pad": whole(0, 15),
        "cutout": whole(0, 15),
    },
)
RECIPES = st.builds(
    Recipe,
    dataset=st.sampled_from(["cifar10", "digits"]),
    data_dir=st.none() | st.text(),
    image_size=st.integers(2, 20).map(lambda eighths: 8 * eighths),
    train_images=st.none() | st.integers(1, 10**9),
    val_fraction=st.floats(0, 1, exclude_min=True, exclude_max=True),
    model=st.text(string.printable),
    schedule=st.sampled_from(["one_cycle", "triangular", "plateau"]),
    epochs=st.integers(6, 1000),
    max_lr=st.floats(0, 1e9, exclude_min=True),
    nesterov=st.booleans(),
    ema_horizon=st.floats(0, 10),
    pad_mode=st.sampled_from(["reflect", "zero"]),
    flip=st.booleans(),
) | st.builds(
    Recipe,
    optimizer=st.sampled_from(["sgd", "adamw"]),
    schedule=st.just("plateau"),
    plateau_patience=st.integers(1, 10**6),
    plateau_factor=st.floats(0, 1, exclude_min=True, exclude_max=True),
)
SETTINGS = st.builds(
    SearchSettings,
    samples=st.integers(1, 10**6),
    sampler=st.sampled_from(["tpe", "random"]),
    scheduler=st.sampled_from(["asha", "none"]),
    factor=st.floats(1.01, 100),
    lr_range=bounds(1e-12, 1e6),
    seed=st.integers(0, 2**31 - 1),
)

REFITS = st.builds(RefitChanges, width=st.none() | st.integers(1, 512), epochs=st.none() | st.integers(1, 1000))


@settings(deadline=None)
@given(st.builds(SearchConfig, RECIPES, SPACES, SETTINGS, REFITS))
def test_any_configuration_round_trips(config: SearchConfig) -> None:
    text = config.to_yaml()
    assert parsed(text) == config
    assert parsed(text).to_yaml() == text
    assert SCHEMA.is_valid(yaml.safe_load(text))


def test_an_empty_file_part_means_the_defaults() -> None:
    assert parsed("{recipe: , search: }") == SearchConfig(Recipe(), {}, SearchSettings())


def test_domains_become_optuna_distributions() -> None:
    config = parsed(
        "space: {max_lr: range_test, momentum: {uniform: [0.5, 0.9]}, weight_decay: {loguniform: [0.001, 1]},"
        " width: {choice: [8, 16]}}"
    )
    assert config.space == {
        "max_lr": RANGE_TEST,
        "momentum": FloatDistribution(0.5, 0.9),
        "weight_decay": FloatDistribution(0.001, 1.0, log=True),
        "width": CategoricalDistribution([8, 16]),
    }


# Errors.


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("recipes: {}", ["recipes: unknown key", "did you mean recipe?"]),
        ("recipe: {epoch: 24}", ["recipe.epoch: unknown key", "did you mean epochs?"]),
        ("search: {sampels: 8}", ["search.sampels: unknown key", "did you mean samples?"]),
        ("search: {lr_range: [0.1, a]}", ["search.lr_range.1: 'a'", "valid number"]),
        ("space: {momentun: {uniform: [0, 0.9]}}", ["space.momentun: ", "did you mean momentum?"]),
        ("space: {momentum: {unifrom: [0, 0.9]}}", ["space.momentum: {'unifrom'", "{uniform: [low, high]}"]),
        ("recipe: {max_lr: 1e-4}", ["recipe.max_lr: '1e-4'", "write 0.0001"]),
        ("space: {max_lr: {loguniform: [1e-4, 1.0]}}", ["space.max_lr: '1e-4'", "number", "write 0.0001"]),
        ("space: {momentum: {uniform: [0.9, 0.8]}}", ["space.momentum: ", "[0.9, 0.8]", "low < high"]),
        ("space: {momentum: {uniform: [0.9, 0.9]}}", ["space.momentum: ", "[0.9, 0.9]", "low < high"]),
        (
            "space: {weight_decay: {loguniform: [0, 1]}}",
            ["space.weight_decay: ", "[0, 1]", "a log scale needs low > 0"],
        ),
        ("space: {momentum: {uniform: [0.5, 1.5]}}", ["space.momentum: ", "1.5", "less than 1"]),
        ("space: {max_lr: {uniform: [-1, 1]}}", ["space.max_lr: ", "-1", "greater than 0"]),
        ("space: {max_lr: {uniform: [0.1, .inf]}}", ["space.max_lr: ", "finite"]),
        ("space: {max_lr: {uniform: [0.1, true]}}", ["space.max_lr: ", "True", "number"]),
        ("space: {max_lr: {uniform: [0.1]}}", ["space.max_lr: ", "[0.1]", "expected [low, high]"]),
        ("space: {max_lr: {uniform: 0.1}}", ["space.max_lr: ", "0.1", "expected [low, high]"]),
        ("space: {width: {choice: []}}", ["space.width: ", "[]", "a list of values"]),
        ("space: {width: {uniform: [8, 64]}}", ["space.width: ", "[8, 64]", "whole number"]),
        ("space: {width: {choice: [8, 8.5]}}", ["space.width: ", "8.5", "integer"]),
        ("space: {width: {choice: [small, large]}}", ["space.width: ", "'small'", "expected a number"]),
        ("space: {max_lr: valley}", ["space.max_lr: 'valley'", "expected range_test"]),
        ("space: {momentum: range_test}", ["space.momentum: 'range_test'", "{uniform: [low, high]}"]),
        ("space: {epochs: {choice: [12, 24]}}", ["space.epochs: ", "not a field that can be searched"]),
        ("space: {peak_epoch: {uniform: [5, 30]}}", ["space.peak_epoch: ", "30", "epochs=24"]),
        ("recipe: {epochs: -3}", ["recipe.epochs: -3", "greater than or equal to 1"]),
        ("recipe: {epochs: 10, peak_epoch: 12}", ["recipe.peak_epoch 12", "between 0 and epochs=10"]),
        ("recipe: {peak_epoch: 0}", ["recipe.peak_epoch: 0", "greater than 0"]),
        ("recipe: {schedule: plateau, plateau_patience: 0}", ["recipe.plateau_patience: 0", "equal to 1"]),
        ("recipe: {schedule: plateau, plateau_factor: 0.0}", ["recipe.plateau_factor: 0.0", "greater than 0"]),
        ("recipe: {schedule: plateau, plateau_factor: 1.0}", ["recipe.plateau_factor: 1.0", "less than 1"]),
        ("recipe: {plateau_patience: 3}", ["recipe.plateau_patience 3", "schedule plateau", "got one_cycle"]),
        ("recipe: {plateau_factor: 0.5}", ["recipe.plateau_factor 0.5", "schedule plateau", "got one_cycle"]),
        ("recipe: {optimizer: adam}", ["recipe.optimizer: 'adam'", "'sgd' or 'adamw'"]),
        ("recipe: {optimizer: adamw, nesterov: false}", ["recipe.nesterov False", "optimizer sgd", "got adamw"]),
        ("recipe: {dataset: imagenet}", ["recipe.dataset: 'imagenet'", "cifar10", "digits", "folder"]),
        ("recipe: [dataset, cifar10]", ["recipe: ", "['dataset', 'cifar10']", "mapping"]),
        ("recipe: false", ["recipe: False", "mapping"]),
        ("space: []", ["space: []", "mapping"]),
        ("[recipe, space]", ["['recipe', 'space']", "mapping"]),
        ("", ["None", "mapping"]),
        ("just text", ["'just text'", "mapping"]),
        ("recipe: {5: 6}", ["recipe: 5", "a key must be one line of text"]),
        ('recipe: {"a\\nb": 6}', [r"recipe: 'a\nb'", "a key must be one line of text"]),
        ("recipe: {width: 8", ["cannot be read as YAML"]),
        ("recipe: *nowhere", ["cannot be read as YAML", "nowhere"]),
        ("recipe: !!python/object:os.system {}", ["cannot be read as YAML"]),
        ("recipe: 2024-13-45", ["cannot be read as YAML", "month"]),
        ("recipe: !!int ''", ["cannot be read as YAML"]),
        ("recipe: !!bool maybe", ["cannot be read as YAML"]),
        ("recipe: {width: " + 5000 * "9" + "}", ["cannot be read as YAML"]),
        ("[" * 5000, ["cannot be read as YAML"]),
        (b"recipe: \xff", ["cannot be read as YAML"]),
        ("recipe: {width: &again [*again]}", ["recipe: ", "circular"]),
        ("recipe: {width: {2024-01-01: 1}}", ["recipe: ", "keys must be str"]),
    ],
)
def test_an_error_names_file_key_value_and_what_is_allowed(mine: Path, text: str | bytes, parts: list[str]) -> None:
    line = refusal(mine, text)
    assert "mine.yaml: " in line
    assert [part for part in parts if part.lower() not in line.lower()] == []


def test_a_file_that_is_not_there_names_those_that_ship(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_space(str(tmp_path / "other.yaml"))
    line = str(caught.value)
    assert "other.yaml: no such file" in line
    assert all(path.stem in line for path in SHIPPED)


# Fuzzing.

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.binary(max_size=4)
    | st.sampled_from([RANGE_TEST, "1e-4", "cifar10", 10**400, -(10**400)])
)
KEYS = st.sampled_from(
    ["recipe", "space", "search", "uniform", "loguniform", "choice", *Recipe.model_fields, *SearchSettings.model_fields]
)
STRUCTURES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | SCALARS, inner, max_size=4),
    max_leaves=12,
)
DOMAINS = st.dictionaries(st.sampled_from(["uniform", "loguniform", "choice"]), STRUCTURES, max_size=1) | STRUCTURES
FILES = st.fixed_dictionaries(
    {},
    optional={
        "recipe": st.dictionaries(st.sampled_from(list(Recipe.model_fields)), STRUCTURES, max_size=3) | STRUCTURES,
        "space": st.dictionaries(st.sampled_from(SEARCHABLE), DOMAINS, max_size=3) | STRUCTURES,
        "search": st.dictionaries(st.sampled_from(list(SearchSettings.model_fields)), STRUCTURES, max_size=3)
        | STRUCTURES,
    },
)


def attempt(read: Callable[[], SearchConfig]) -> SearchConfig | str:
    """The configuration, or the error line."""
    try:
        return read()
    except InputError as error:
        return str(error)


@settings(max_examples=500, deadline=None)
@given(STRUCTURES | FILES)
def test_any_structure_is_a_configuration_or_one_line(structure: Any) -> None:
    outcome = attempt(lambda: parse_space(structure, "mine.yaml: "))
    if isinstance(outcome, SearchConfig):
        assert parsed(outcome.to_yaml()) == outcome
        assert SCHEMA.is_valid(outcome.plain())
    else:
        assert outcome.startswith("mine.yaml: ")
        assert len(outcome.splitlines()) == 1


# Overrides, bounds, clipping.


def test_a_set_field_is_changed_and_searched_no_more() -> None:
    config = load_space("s11")
    changed = config.with_overrides({"momentum": "0.5", "epochs": "12", "search.samples": "3"})
    assert (changed.recipe.momentum, changed.recipe.epochs, changed.search.samples) == (0.5, 12, 3)
    assert changed.space == {name: domain for name, domain in config.space.items() if name != "momentum"}
    assert "momentum" in config.space
    assert changed.recipe.model_dump(exclude={"momentum", "epochs"}) == config.recipe.model_dump(
        exclude={"momentum", "epochs"}
    )


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ({"epochs": "6"}, "space.peak_epoch: peak_epoch 8: must be between 0 and epochs=6"),
        ({"image_size": "16"}, "space.cutout: cutout 16: must be less than image_size=16"),
    ],
)
def test_what_is_searched_must_fit_a_set_field(override: dict[str, str], line: str) -> None:
    config = parsed("space: {peak_epoch: {uniform: [2, 8]}, cutout: {choice: [8, 16]}}")
    with pytest.raises(InputError) as caught:
        config.with_overrides(override)
    assert str(caught.value) == line
    assert config.with_overrides({"epochs": "9", "image_size": "24"}).space == config.space


def test_a_refit_differs_where_it_was_told_to() -> None:
    larger = {"width": 64, "train_images": 50000, "batch_size": 256}
    overrides = {"width": "16", "batch_size": "128"} | {f"refit.{key}": str(value) for key, value in larger.items()}
    config = load_space("s11").with_overrides(overrides)
    refit = config.refit.applied_to(config.recipe)
    assert refit.model_dump() == config.recipe.model_dump() | larger


def test_a_refit_of_another_length_keeps_the_shape_of_the_cycle() -> None:
    config = load_space("s11").with_overrides({"epochs": "12", "peak_epoch": "2.5", "refit.epochs": "24"})
    assert config.refit.applied_to(config.recipe) == config.recipe.model_copy(update={"epochs": 24, "peak_epoch": 5.0})


def test_no_overrides_change_nothing() -> None:
    assert load_space("quick").with_overrides({}) == load_space("quick")


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ({"momentun": "0.5"}, "--set momentun: unknown key; did you mean momentum?"),
        ({"momentum": "much"}, "--set momentum: 'much': "),
        ({"momentum": "1.5"}, "--set momentum: '1.5': input should be less than 1"),
        ({"epochs": "4"}, "--set peak_epoch 5: must be between 0 and epochs=4"),
        ({"search.sample": "5"}, "--set search.sample: unknown key; did you mean samples?"),
        ({"search.samples": "0"}, "--set search.samples: '0': "),
        ({"refit.momentum": "0.5"}, "--set refit.momentum: unknown key; expected one of width, train_images, epochs, "),
        ({"refit.width": "0"}, "--set refit.width: '0': "),
        ({"two\nlines": "0"}, r"--set 'two\nlines': unknown key"),
    ],
)
def test_a_bad_override_is_one_line(overrides: dict[str, str], line: str) -> None:
    with pytest.raises(InputError) as caught:
        load_space("s11").with_overrides(overrides)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_bounds_of_ones_own_replace_the_range_test() -> None:
    config = load_space("s11")
    bounded = config.with_lr_bounds(0.1, 0.8)
    assert bounded.space == config.space | {"max_lr": FloatDistribution(0.1, 0.8, log=True)}
    assert (bounded.recipe, bounded.search) == (config.recipe, config.search)
    assert config.space["max_lr"] == RANGE_TEST


def test_a_search_needs_something_to_search() -> None:
    with pytest.raises(InputError, match=r"^space: nothing is left to search"):
        parsed("{}").checked_for_search()


def test_asha_needs_a_rung_before_the_last_epoch() -> None:
    late = "{recipe: {epochs: 8}, space: {max_lr: range_test}, search: {grace: 8, scheduler: %s}}"
    with pytest.raises(InputError, match=r"^search.grace: 8: must be less than epochs=8"):
        parsed(late % "asha").checked_for_search()
    parsed(late % "none").checked_for_search()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "{recipe: {schedule: plateau}, space: {peak_epoch: {uniform: [1, 3]}}}",
            "space.peak_epoch: has no effect with schedule plateau; expected to be left out",
        ),
        (
            "{recipe: {augmentation: a.json}, space: {pad: {choice: [0, 4]}}}",
            "space.pad: has no effect with augmentation a.json; expected to be left out",
        ),
    ],
)
def test_a_field_without_effect_is_not_searched(text: str, line: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(line)}$"):
        parsed(text).checked_for_search()


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("recipe: {max_lr: 0.1, width: 8, max_lr: 0.3}\n")
    with pytest.raises(InputError, match="max_lr is given twice"):
        load_space(str(path))
    path.write_text("recipe: &one {epochs: 8}\nsearch: {<<: {samples: 3}, <<: {samples: 4}}\n")
    with pytest.raises(InputError, match="<< is given twice"):
        load_space(str(path))
    path.write_text("search: {<<: {<<: {samples: 3}, samples: 4}, samples: 5}\n")  # not twice in one mapping
    assert load_space(str(path)).search.samples == 5


def test_null_removes_a_setting() -> None:
    assert load_space("s11").search.target_line is not None
    assert load_space("s11").with_overrides({"search.target_line": "null"}).search.target_line is None
    with pytest.raises(InputError, match=r"^--set epochs: None: input should be a valid integer"):
        load_space("s11").with_overrides({"epochs": "null"})


def test_a_target_finds_the_refits_epochs_so_they_cannot_be_given() -> None:
    config = load_space("quick").with_overrides({"search.target": "0.9", "refit.epochs": "24"})
    with pytest.raises(InputError, match=r"^refit.epochs 24: search.target 0.9 finds the refits' epochs; expected one"):
        config.checked_for_search()


def test_the_largest_that_may_be_tried() -> None:
    config = parsed(
        "{recipe: {width: 4}, space: {batch_size: {choice: [64, 256, 128]}, momentum: {uniform: [0.8, 0.9]}}}"
    )
    assert config.largest == config.recipe.model_copy(update={"batch_size": 256})


@pytest.mark.parametrize(
    ("domain", "value", "nearest"),
    [
        (FloatDistribution(0.1, 0.8), 0.05, 0.1),
        (FloatDistribution(0.1, 0.8), 0.5, 0.5),
        (FloatDistribution(0.1, 0.8, log=True), 3, 0.8),
        (CategoricalDistribution([8, 16, 64]), 1, 8),
        (CategoricalDistribution([8, 16, 64]), 15, 16),
        (CategoricalDistribution([8, 16, 64]), 50, 64),
    ],
)
def test_clip_gives_the_nearest_allowed_value(domain: BaseDistribution, value: float, nearest: float) -> None:
    assert clip(domain, value) == nearest
