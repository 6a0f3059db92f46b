"""Checks that a resumed search is the one that an earlier session began."""

import hashlib
from pathlib import Path
from typing import Any, get_args

import ray

from tune_s11.config import Frozen, InputError, Recipe, RefitChanges, SearchSettings, completed
from tune_s11.hardware import Precision
from tune_s11.results import SearchFolder
from tune_s11.search_space import SearchConfig, load_space
from tune_s11.storage.files import read_json

_MAY_CHANGE = {
    *(("search", "samples"), ("search", "audit"), ("search", "target"), ("search", "target_line")),
    ("recipe", "data_dir"),
}
"""Settings that a resumed search may change; an audit that has started keeps its share. Images may have moved, because
they are compared by their fingerprint."""

MATRIX_PRODUCTS = "matrix_products"
"""Key in the manifest: whether convolutions may be matrix products, where the hardware is faster with them."""


PRECISION = "precision"
"""Key in the manifest: the precision that was requested."""


PIPELINE = "pipeline_sha256"
"""Key in the manifest: SHA-256 of the augmentation's pipeline file; null if the augmentation is no file."""


def recorded(config: SearchConfig, precision: Precision) -> dict[str, Any]:
    """Return the part of a new search's manifest that its later sessions are compared with.

    Args:
        config: Configuration of the search.
        precision: Requested precision.
    """
    pipeline = _pipeline_sha256(config.recipe)
    return {"search": config.plain(), MATRIX_PRODUCTS: True, PRECISION: precision, PIPELINE: pipeline}


def earlier_manifest(folder: SearchFolder) -> dict[str, Any] | None:
    """Return the manifest that an earlier session wrote to the search folder; None if this is the first session.

    Raises:
        InputError: The manifest cannot be read.
    """
    file = folder.manifest
    manifest: dict[str, Any] | None = read_json(file)
    if manifest is None and file.exists():
        unchanged = "if images, recipe and Ray have not changed since the start"
        raise InputError(f"{file}: is damaged; delete it {unchanged}, and give --precision again if it was given")
    return manifest


def may_use_matrix_products(before: dict[str, Any] | None) -> bool:
    """Return whether convolutions may be matrix products: a search that began without them continues without.

    Args:
        before: Manifest of the earlier session; None: this is the first.
    """
    return before is None or bool(before.get(MATRIX_PRODUCTS, False))  # earlier versions had none


def kept_precision(asked: Precision, before: dict[str, Any] | None) -> Precision:
    """Return the precision to train with: a search that began with a given one keeps it, unless another is given.

    Args:
        asked: Requested precision of this session.
        before: Manifest of the earlier session; None: this is the first.
    """
    began: Any = (before or {}).get(PRECISION)  # earlier versions did not keep it
    return began if asked == "auto" and began in get_args(Precision) else asked


def check_same_search(folder: SearchFolder, config: SearchConfig, before: dict[str, Any]) -> None:
    """Check that a resumed search has the same version of Ray, recipe, space, settings and changes for the refits.

    Samples, audit, target and target line may change, and the images may have moved.

    Args:
        folder: Folder of the search.
        config: Current configuration.
        before: Manifest of the earlier session.

    Raises:
        InputError: Something has changed, or the images are not where the recipe says.
    """
    if before["packages"]["ray"] != ray.__version__:
        raise InputError(
            f"{folder.path.name}: started under Ray {before['packages']['ray']}, this is {ray.__version__}; "
            f"expected the same: pip install ray=={before['packages']['ray']}"
        )
    now = config.plain()
    kinds: dict[str, type[Frozen]] = {"recipe": Recipe, "search": SearchSettings, "refit": RefitChanges}
    for part in ("recipe", "space", "search", "refit"):
        began = before.get("search", now)[part]
        if part in kinds:
            began = completed(kinds[part], began)
        for key in {**began, **now[part]}:
            if began.get(key) != now[part].get(key) and (part, key) not in _MAY_CHANGE:
                edited = (_in_file(folder) or now)[part].get(key) == now[part].get(key)
                where, new = (folder.space, f"--space {folder.space}") if edited else (folder.path.name, "another name")
                raise InputError(
                    f"{where}: {part}.{key}: {now[part].get(key)}: the search started with "
                    f"{began.get(key)} and keeps it; expected a new search: {new}"
                )
    _check_files(folder.path.name, config.recipe, before.get(PIPELINE))  # earlier versions did not record it


def _check_files(name: str, recipe: Recipe, began: str | None) -> None:
    """Check the files that the recipe names.

    Args:
        name: Name of the search.
        recipe: Current recipe.
        began: SHA-256 of the pipeline file at the start; None: there was none, or it was not recorded.

    Raises:
        InputError: The pipeline file has another content, or a user's own images are missing.
    """
    now = _pipeline_sha256(recipe)
    if began is not None and now is not None and now != began:
        raise InputError(
            f"{name}: augmentation {recipe.augmentation!r}: the file has changed since the search started (SHA-256 "
            f"{now}); expected the one it started with ({began}), or a new search: another name"
        )
    if recipe.dataset == "folder":
        images = Path(recipe.data_dir or "")
        if not (images.is_file() or (images / "train").is_dir()):
            raise InputError(
                f"{name}: data_dir {str(images)!r}: the images are not there; "
                "expected the same images, wherever they are now: --data-dir DIR|CSV"
            )


def _pipeline_sha256(recipe: Recipe) -> str | None:
    """Return the SHA-256 of the augmentation's pipeline file; None if it is no file, or one that cannot be read."""
    try:
        return hashlib.sha256(Path(recipe.augmentation).read_bytes()).hexdigest()
    except OSError:
        return None


def _in_file(folder: SearchFolder) -> dict[str, Any] | None:
    """Return what the search's space file says now, which a user may have edited; None if it cannot be read."""
    try:
        return load_space(str(folder.space)).plain()
    except InputError:
        return None
