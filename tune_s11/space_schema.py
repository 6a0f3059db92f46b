"""The JSON schema of space files, for editors: the rules of :mod:`tune_s11.search_space`, as far as a schema can."""

from typing import Any

from pydantic import BaseModel

from tune_s11.config import SEARCHABLE, Recipe, RefitChanges, SearchSettings
from tune_s11.search_space import INTERVALS, RANGE_TEST, RANGE_TESTED

DRAFT = "http://json-schema.org/draft-07/schema#"
"""Newest draft that every editor's YAML mode reads."""

Schema = dict[str, Any]


def space_schema() -> Schema:
    """Build the schema from the classes that space files are read into.

    It cannot express rules between fields, such as ``peak_epoch`` below ``epochs`` or a lower bound below the upper.
    """
    recipe = _section(Recipe, "Fields that all trials share.")
    domains = {name: _domain(name, recipe["properties"][name]) for name in SEARCHABLE}
    sections = {
        "recipe": recipe,
        "space": _object(domains, "Fields that the search chooses, and their domains."),
        "search": _section(SearchSettings, "Settings of the search."),
        "refit": _section(RefitChanges, "Fields in which the winner's refit differs from the trials."),
    }
    file = _object(sections, "What a search fixes, what it searches, and how.", may_be_empty=False)
    return {"$schema": DRAFT, "title": "Space file of tune_s11"} | file


def _section(model: type[BaseModel], description: str) -> Schema:
    """Return the schema of a mapping with the fields of a configuration class."""
    fields = model.model_json_schema()["properties"]
    return _object({name: _field(field) for name, field in fields.items()}, description)


def _object(properties: dict[str, Schema], description: str, *, may_be_empty: bool = True) -> Schema:
    """Return the schema of a mapping of these keys only; if it may be empty, it may be null, as YAML reads nothing."""
    return {
        "description": description,
        "type": ["object", "null"] if may_be_empty else "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _field(field: Schema) -> Schema:
    """Return pydantic's schema of a field, in keywords of draft 7 that editors understand."""
    changed = {name: value for name, value in field.items() if name not in {"title", "prefixItems"}}
    if "description" in changed:
        changed["description"] = " ".join(changed["description"].replace("``", "").split())
    if items := field.get("prefixItems"):  # tuples whose items are all alike
        changed["items"] = items[0]
    return changed


def _domain(name: str, field: Schema) -> Schema:
    """Return the schema of a field's domain in ``space``: bounds if the field is continuous, or a choice."""
    value = {key: bound for key, bound in field.items() if key not in {"description", "default"}}
    bounds = {"type": "array", "items": value, "minItems": 2, "maxItems": 2}
    positive = bounds | {"items": {"exclusiveMinimum": 0} | value}
    kinds: dict[str, Schema] = {"choice": {"type": "array", "items": value, "minItems": 1}}
    if value["type"] == "number":
        kinds |= {kind: positive if kind == "loguniform" else bounds for kind in INTERVALS}
    domain = {
        "type": "object",
        "properties": kinds,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    described = {"description": field["description"]}
    return described | ({"anyOf": [{"const": RANGE_TEST}, domain]} if name in RANGE_TESTED else domain)
