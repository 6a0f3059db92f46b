"""Converts what the user has typed into the library's configuration."""

import shlex
from collections.abc import Collection
from pathlib import Path

import typer

from tune_s11.config import InputError
from tune_s11.search_space import SearchConfig, load_space


def refuse_other_options(context: typer.Context, option: str, *allowed: str) -> None:
    """Refuse options that would be ignored.

    Args:
        context: Context of the command.
        option: Option that decides everything else, as it was typed: ``--resume NAME``.
        allowed: Parameters that can be combined with it.

    Raises:
        InputError: Another option was typed too.
    """
    options = {str(parameter.name): parameter.opts[0] for parameter in context.command.params}
    for name, other in options.items():
        if _typed(context, name) and name not in allowed and not option.startswith(f"{other} "):
            beside = ", ".join(options[each] for each in allowed)
            raise InputError(f"{option}: decides what {other} would set; it can be combined with {beside}")


def typed_again(context: typer.Context, *names: str) -> str:
    """Return those of the named options that were typed, for another command line: each after a space.

    Args:
        context: Context of the command.
        names: Parameters that take one value.
    """
    options = {str(parameter.name): parameter.opts[0] for parameter in context.command.params}
    typed = {name: str(context.params[name]) for name in names if _typed(context, name)}
    return "".join(f" {options[name]} {shlex.quote(value)}" for name, value in typed.items())


def _typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def resolve_config(
    space: str,
    settings: list[str] | None,
    data_dir: Path | None = None,
    model: str | None = None,
    seed: int | None = None,
    target_line: float | None = None,
) -> SearchConfig:
    """Return the space file's configuration with the command line's changes, and with all paths absolute.

    Raises:
        InputError: See :func:`tune_s11.search_space.load_space`.
    """
    overrides = dict(_key_value(setting) for setting in settings or [])
    if data_dir is not None:
        from tune_s11.data.listing import CSV_SUFFIX  # its package imports torch, which takes seconds

        if not (data_dir.is_dir() or (data_dir.is_file() and data_dir.suffix.lower() == CSV_SUFFIX)):
            raise InputError(
                f"--data-dir {data_dir}: must be a folder that holds train/<class>/, or a {CSV_SUFFIX} file"
            )
        overrides |= {"dataset": "folder", "data_dir": str(data_dir)}
    if model is not None:
        overrides["model"] = model
    if seed is not None:
        overrides["search.seed"] = str(seed)
    if target_line is not None:
        overrides["search.target_line"] = str(target_line)
    return load_space(space).with_overrides(overrides).with_absolute_paths()


def refuse_unused(settings: list[str] | None, what: str, *used: str, unused: Collection[str] = ()) -> None:
    """Refuse settings that a command does not use, because they would be ignored.

    Args:
        settings: Values of ``--set``.
        what: What the command does, for the error.
        used: Keys of the search that it uses in addition to the recipe's fields.
        unused: Fields of the recipe that it does not use.

    Raises:
        InputError: There is such a setting.
    """
    for setting in settings or []:
        key, _ = _key_value(setting)
        if key in unused or (not names_recipe_field(key) and key not in used):
            other = "another" if key in unused else "a"
            raise InputError(f"--set {key}: is not used by {what}; expected {other} recipe field, or {', '.join(used)}")


def names_recipe_field(setting: str) -> bool:
    """Return whether a value of ``--set``, or its key, is about the recipe, not about the search or its refits."""
    return not setting.startswith(("search.", "refit."))


def _key_value(setting: str) -> tuple[str, str]:
    key, equals, value = setting.partition("=")
    if not (key and equals):
        raise InputError(f"--set {setting!r}: expected KEY=VALUE")
    return key, value
