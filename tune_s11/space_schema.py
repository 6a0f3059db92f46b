"""The JSON schema of space files, for editors: what :mod:`tune_s11.search_space` reads, as far as a schema can say."""

from typing import Any

from pydantic import BaseModel

from tune_s11.config import SEARCHABLE, Recipe, RefitChanges, SearchSettings
from tune_s11.search_space import INTERVALS, RANGE_TEST, RANGE_TESTED

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that every editor's YAML mode reads."""

Schema = dict[str, Any]


def space_schema() -> Schema:
    """Builds the schema from the classes that space files are read into.

    It cannot say what holds between fields, such as ``peak_epoch`` below ``epochs`` or a lower bound below the upper.
    """
    recipe = _section(Recipe, "What every trial shares.")
    domains = {name: _domain(name, recipe["properties"][name]) for name in SEARCHABLE}
    sections = {
        "recipe": recipe,
        "space": _object(domains, "What the search chooses."),
        "search": _section(SearchSettings, "How the search is run."),
        "refit": _section(RefitChanges, "Where the winner's refit is larger than the trials."),
    }
    file = _object(sections, "What a search fixes, what it searches, and how.", may_be_empty=False)
    return {"$schema": DRAFT, "title": "Space file of tune_s11"} | file


def _section(model: type[BaseModel], description: str) -> Schema:
    """A mapping with the fields of a configuration class."""
    fields = model.model_json_schema()["properties"]
    return _object({name: _field(field) for name, field in fields.items()}, description)


def _object(properties: dict[str, Schema], description: str, *, may_be_empty: bool = True) -> Schema:
    """A mapping of these keys and no others; where it may be empty, YAML reads nothing as null."""
    return {
        "description": description,
        "type": ["object", "null"] if may_be_empty else "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _field(field: Schema) -> Schema:
    """Pydantic's schema of a field in words that draft 7 knows and editors show."""
    changed = {name: value for name, value in field.items() if name not in {"title", "prefixItems"}}
    if "description" in changed:
        changed["description"] = " ".join(changed["description"].replace("``", "").split())
    if items := field.get("prefixItems"):  # of tuples whose parts are all alike
        changed["items"] = items[0]
    return changed


def _domain(name: str, field: Schema) -> Schema:
    """What may stand in ``space`` for a recipe's field: bounds where it is continuous, or a choice."""
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
