"""The JSON schema of space files: in step with the classes, named by the files that ship, and strict where they are."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tune_s11.config import SEARCHABLE, InputError, Recipe, RefitChanges, SearchSettings
from tune_s11.search_space import parse_space, spaces_folder
from tune_s11.space_schema import space_schema

SHIPPED = sorted(spaces_folder().glob("*.yaml"))


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    schema = space_schema()
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def test_the_file_that_ships_is_in_step() -> None:
    """Else: ``uv run tune-s11 schema > search_spaces/schema.json``."""
    assert json.loads((spaces_folder() / "schema.json").read_text()) == space_schema()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_file_names_the_schema_and_is_valid(path: Path, validator: Draft7Validator) -> None:
    comment, _, schema = path.read_text().splitlines()[0].partition("=")
    assert comment == "# yaml-language-server: $schema"
    assert (path.parent / schema).samefile(spaces_folder() / "schema.json")
    assert list(validator.iter_errors(yaml.safe_load(path.read_text()))) == []


def test_every_field_is_known_and_described() -> None:
    sections = {"recipe": Recipe, "search": SearchSettings, "refit": RefitChanges}
    properties = space_schema()["properties"]
    assert {name: list(properties[name]["properties"]) for name in sections} == {
        name: list(model.model_fields) for name, model in sections.items()
    }
    assert list(properties["space"]["properties"]) == list(SEARCHABLE)
    described = [field for section in properties.values() for field in section["properties"].values()]
    assert all(field["description"] and "`" not in field["description"] for field in described)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "recipes: {}",
        "recipe: {widht: 8}",
        "recipe: {width: wide}",
        "recipe: {width: 0}",
        "recipe: {dataset: cifar}",
        "recipe: {max_lr: 1e-4}",
        "recipe: {flip: 1}",
        "space: {flip: {choice: [true, false]}}",
        "space: {epochs: {choice: [6, 12]}}",
        "space: {max_lr: range-test}",
        "space: {momentum: range_test}",
        "space: {momentum: {uniform: [0.8]}}",
        "space: {momentum: {uniform: [0.8, 1.5]}}",
        "space: {momentum: {normal: [0.8, 0.9]}}",
        "space: {momentum: {uniform: [0.8, 0.9], choice: [0.8]}}",
        "space: {momentum: {}}",
        "space: {momentum: {choice: []}}",
        "space: {weight_decay: {loguniform: [0, 0.1]}}",
        "space: {width: {uniform: [8, 16]}}",
        "space: {width: {choice: [8.5]}}",
        "search: {sampler: grid}",
        "search: {lr_range: [0.1]}",
        "search: {lr_range: [0, 1]}",
        "refit: {momentum: 0.9}",
    ],
)
def test_what_the_program_refuses_the_schema_refuses(text: str, validator: Draft7Validator) -> None:
    parts: Any = yaml.safe_load(text)
    with pytest.raises(InputError):
        parse_space(parts, "mine.yaml: ")
    assert not validator.is_valid(parts)
