"""Space files: the recipe fields that a search fixes, those that it searches, and its settings.

Reads YAML into one validated object, and writes that object as YAML.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from tune_s11.config import (
    SEARCHABLE,
    InputError,
    Recipe,
    RefitChanges,
    SearchSettings,
    validated,
)
from tune_s11.pruning import Policy, build_policy
from tune_s11.text import did_you_mean, number_hint

RANGE_TEST = "range_test"
"""Written in place of a domain: the range test finds the bounds of ``max_lr``, or the value of ``min_lr_fraction``."""

AUGMENTATIONS = ("batched", "albumentations")
"""Augmentations that are made from fields of the recipe; any other is a pipeline file."""

RANGE_TESTED = ("max_lr", "min_lr_fraction")
"""Fields that a space may leave to the range test."""

Space = dict[str, BaseDistribution | str]
"""Recipe field -> Optuna distribution; those of :data:`RANGE_TESTED` may be :data:`RANGE_TEST`."""

INTERVALS = ("uniform", "loguniform")
"""Kinds of domain that are given by two bounds."""

_KINDS = (*INTERVALS, "choice")


class _UniqueKeys(yaml.SafeLoader):
    """A loader that refuses a key given twice; PyYAML would keep its last value."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.composer.ComposerError(None, None, f"{key.value} is given twice", key.start_mark)
            if isinstance(key, yaml.ScalarNode):
                seen.add(key.value)
        return node


class NothingToSearchError(InputError):
    """All recipe fields are fixed."""


@dataclass(frozen=True)
class SearchConfig:
    """The configuration of a search: a space file that has been read and checked."""

    recipe: Recipe
    space: Space
    search: SearchSettings
    refit: RefitChanges = field(default_factory=RefitChanges)

    def with_overrides(self, overrides: Mapping[str, Any]) -> "SearchConfig":
        """Apply ``--set`` options: ``FIELD`` for the recipe, ``search.FIELD`` and ``refit.FIELD`` for the others.

        A field that is set is no longer searched. As in YAML, ``null`` stands for None.

        Raises:
            InputError: A field is unknown, or its value is invalid or does not fit what is searched.
        """
        parts: dict[str, dict[str, Any]] = {"recipe": {}, "search": {}, "refit": {}}
        for key, value in overrides.items():
            part, dot, rest = key.partition(".")
            known = bool(dot) and part in {"search", "refit"}
            parts[part if known else "recipe"][rest if known else key] = None if value == "null" else value
        recipe = validated(Recipe, self.recipe.model_dump() | parts["recipe"], "--set ", strict=False)
        left = {name: domain for name, domain in self.space.items() if name not in parts["recipe"]}
        return SearchConfig(
            recipe,
            {name: _domain(name, _plain(domain), recipe, f"space.{name}: ") for name, domain in left.items()},
            validated(SearchSettings, self.search.model_dump() | parts["search"], "--set search.", strict=False),
            validated(RefitChanges, self.refit.model_dump() | parts["refit"], "--set refit.", strict=False),
        )

    def with_absolute_paths(self) -> "SearchConfig":
        """Make the recipe's paths absolute, because trials run in their own folders."""
        absolute = {}
        if self.recipe.data_dir is not None:
            # Links are kept: the paths in a CSV are relative to the folder of the link, not of its target.
            absolute["data_dir"] = os.path.abspath(self.recipe.data_dir)
        if Path(self.recipe.augmentation).is_file():
            absolute["augmentation"] = str(Path(self.recipe.augmentation).resolve())
        return self.with_overrides(absolute) if absolute else self

    def with_lr_bounds(self, low: float, high: float) -> "SearchConfig":
        """Search ``max_lr`` log-uniformly between bounds, without a range test."""
        return replace(self, space=self.space | {"max_lr": FloatDistribution(low, high, log=True)})

    def checked_for_search(self) -> "SearchConfig":
        """Check that there is something to search, and return this object.

        Raises:
            NothingToSearchError: The space is empty.
            InputError: The policy has no rung before the last epoch, ``search.target`` and ``refit.epochs`` are both
                set, or a field is searched that the recipe does not use.
        """
        if not self.space:
            raise NothingToSearchError("space: nothing is left to search; it needs one or more recipe fields")
        self.policy.check()
        if self.search.target is not None and self.refit.epochs is not None:
            raise InputError(
                f"refit.epochs {self.refit.epochs}: search.target {self.search.target:g} finds the refits' epochs; "
                "expected one of the two"
            )
        without_effect: dict[str, str] = {}
        if self.recipe.schedule == "plateau":
            without_effect["peak_epoch"] = "schedule plateau"
        if self.recipe.augmentation not in AUGMENTATIONS:
            without_effect |= dict.fromkeys(("pad", "cutout"), f"augmentation {self.recipe.augmentation}")
        for name, why in without_effect.items():
            if name in self.space:
                raise InputError(f"space.{name}: has no effect with {why}; expected to be left out")
        return self

    @property
    def policy(self) -> Policy:
        """Pruning policy."""
        return build_policy(self.search, self.recipe.epochs)

    @property
    def domains(self) -> dict[str, BaseDistribution]:
        """The space without the fields that are left to the range test."""
        return {name: domain for name, domain in self.space.items() if isinstance(domain, BaseDistribution)}

    @property
    def largest(self) -> Recipe:
        """Recipe with the widest network and the largest batch that the search may try."""
        searched: dict[str, Any] = {
            name: max(_ends(self.space[name])) for name in ("width", "batch_size") if name in self.space
        }
        return self.recipe.model_copy(update=searched)

    def plain(self) -> dict[str, dict[str, Any]]:
        """Return the content of the space file as plain values."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "space": {name: _plain(domain) for name, domain in self.space.items()},
            "search": self.search.model_dump(mode="json"),
            "refit": self.refit.model_dump(mode="json"),
        }

    def to_yaml(self) -> str:
        """Return the space file that reads back as this object."""
        return yaml.safe_dump(self.plain(), sort_keys=False)


def load_space(name: str) -> SearchConfig:
    """Read a space file, given the name of a shipped one (``quick``) or a path.

    Raises:
        InputError: There is no such file, it is not YAML, or it has an unknown key or an invalid value.
    """
    path = _find(name)
    try:
        parts = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except Exception as error:  # PyYAML passes on whatever its constructors raise
        raise InputError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())[:200]}") from None
    return parse_space(parts, f"{path.name}: ")


def parse_space(parts: Any, where: str) -> SearchConfig:
    """Check a parsed space file, and return its configuration.

    Args:
        parts: The parsed YAML.
        where: Start of an error line, such as ``quick.yaml: ``.

    Raises:
        InputError: See :func:`load_space`.
    """
    names = ["recipe", "space", "search", "refit"]
    parts = _mapping(parts, where.rstrip(": "))
    for key in parts:
        if key not in names:
            raise InputError(f"{where}{key}: unknown key{did_you_mean(str(key), names)}")
    recipe, space, search, refit = (
        _mapping({} if parts.get(name) is None else parts[name], where + name) for name in names
    )
    checked_recipe = validated(Recipe, recipe, f"{where}recipe.", strict=True)
    return SearchConfig(
        checked_recipe,
        {name: _domain(name, value, checked_recipe, f"{where}space.{name}: ") for name, value in space.items()},
        validated(SearchSettings, search, f"{where}search.", strict=True),
        validated(RefitChanges, refit, f"{where}refit.", strict=True),
    )


def spaces_folder() -> Path:
    """Return the folder of the shipped space files: next to the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent
    inside = package / "search_spaces"
    return inside if inside.is_dir() else package.parent / "search_spaces"


def clip(domain: BaseDistribution, value: Any) -> Any:
    """Return the value of a domain nearest to ``value``."""
    if isinstance(domain, FloatDistribution):
        return min(max(float(value), domain.low), domain.high)
    assert isinstance(domain, CategoricalDistribution)
    return min(domain.choices, key=lambda choice: abs(choice - value))


def _ends(domain: BaseDistribution | str) -> tuple[Any, ...]:
    if isinstance(domain, FloatDistribution):
        return domain.low, domain.high
    return tuple(domain.choices) if isinstance(domain, CategoricalDistribution) else ()


def _find(name: str) -> Path:
    shipped = {path.stem: path for path in sorted(spaces_folder().glob("*.yaml"))}
    path = shipped.get(name, Path(name))
    if not path.is_file():
        raise InputError(f"--space {name}: no such file; expected {', '.join(shipped)} or the path of a YAML file")
    return path


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where}: {value!r:.80}: expected a mapping of keys to values")
    for key in value:
        if not (isinstance(key, str) and key.isprintable()):
            raise InputError(f"{where}: {key!r:.80}: a key must be one line of text")
    return value


def _domain(name: str, value: Any, recipe: Recipe, where: str) -> BaseDistribution | str:
    if name not in SEARCHABLE:
        raise InputError(f"{where}not a field that can be searched{did_you_mean(name, list(SEARCHABLE))}")
    if value == RANGE_TEST and name in RANGE_TESTED:
        return RANGE_TEST
    if not isinstance(value, dict) or len(value) != 1 or (kind := next(iter(value))) not in _KINDS:
        also = "range_test, " if name in RANGE_TESTED else ""
        raise InputError(
            f"{where}{value!r:.80}: expected {also}{{uniform: [low, high]}}, {{loguniform: ..}} or {{choice: ..}}"
        )
    ends = value[kind]
    if not isinstance(ends, list) or not ends or (kind != "choice" and len(ends) != 2):
        raise InputError(f"{where}{value!r:.80}: expected [low, high], or for a choice a list of values")
    for end in ends:
        if isinstance(end, bool) or not isinstance(end, int | float):
            raise InputError(f"{where}{end!r:.80}: expected a number{number_hint(str(end))}")
        validated(Recipe, recipe.model_dump() | {name: end}, where, strict=True)
    if kind == "choice":
        return CategoricalDistribution(ends)
    if isinstance(getattr(recipe, name), int):
        raise InputError(f"{where}{value!r:.80}: expected {{choice: [..]}}, because it is a whole number")
    low, high = ends
    if low >= high:
        raise InputError(f"{where}{value!r:.80}: expected low < high")
    if kind == "loguniform" and low <= 0:
        raise InputError(f"{where}{value!r:.80}: a log scale needs low > 0")
    return FloatDistribution(low, high, log=kind == "loguniform")


def _plain(domain: BaseDistribution | str) -> Any:
    """Return a domain as it is written in a space file."""
    if isinstance(domain, FloatDistribution):
        return {"loguniform" if domain.log else "uniform": [domain.low, domain.high]}
    return {"choice": list(domain.choices)} if isinstance(domain, CategoricalDistribution) else domain
