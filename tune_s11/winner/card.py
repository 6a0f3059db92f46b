"""Writes the model card of an exported winner: what it is, how good it is, how to load it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from tune_s11 import __version__
from tune_s11.text import printable, short
from tune_s11.winner.loading import Best


def model_card(best: Best, files: Mapping[str, str], tolerance: float) -> str:
    """Return the card in Markdown, for the ``README.md`` of the model's folder.

    Args:
        best: Winner that was exported.
        files: Names of the files beside the card, by format.
        tolerance: Largest allowed difference between their logits and the refit's.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    recipe = best.recipe.model_dump()
    for field in ("data_dir", "augmentation"):  # a path on this machine is of no use elsewhere
        if recipe[field] is not None:
            recipe[field] = Path(recipe[field]).name
    manifest = best.search.manifest
    if "command" in manifest:
        manifest = manifest | {"command": without_folders(manifest["command"])}
    return environment.get_template("model_card.md.j2").render(
        name=best.search.name,
        version=__version__,
        refits=best.refits,
        run=best.run,
        trials=len(best.search.trials),
        recipe=recipe,
        side=best.recipe.image_size,
        classes=best.classifier.classes,
        names=json.dumps(best.classifier.classes),
        data=manifest["data"],
        manifest=manifest,
        shipped=best.recipe.weights,
        held_out=best.recipe.schedule == "plateau",
        weights=best.classifier.logits.fingerprint,
        mean=best.mean,
        std=best.std,
        files=files,
        tolerance=tolerance,
    )


def without_folders(command: str) -> str:
    """Return a shell command with absolute paths cut down to their last part."""
    return re.sub(r"(^|[\s='])/(?:[^\s/']+/)*(?=[^\s/'])", r"\1", command)


def _cell(value: Any) -> str:
    """Format a value as the text of a table's cell."""
    text = printable(short(value))
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
