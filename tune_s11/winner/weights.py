"""Writes and reads the winner as one safetensors file: weights, normalisation, and the definition of its network."""

from pathlib import Path

from pydantic import Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model

from tune_s11.config import Count, Frozen, InputError, Recipe
from tune_s11.models import build_model
from tune_s11.winner.classifier import Classifier, Logits

SAFETENSORS_SUFFIX = ".safetensors"

_KEY = "tune_s11"
"""Key in the file's metadata."""


class _Header(Frozen):
    """The metadata of the file: the definition of the network, and the names of its classes."""

    model: str
    width: Count
    image_size: Count
    classes: tuple[str, ...] = Field(min_length=2)


def write_weights(path: Path, classifier: Classifier, recipe: Recipe) -> None:
    """Write the tensors of :class:`Logits`, and JSON metadata that defines its network.

    Args:
        path: Path of the file.
        classifier: Classifier to write.
        recipe: Recipe that its network is built from.
    """
    header = _Header(
        model=recipe.model, width=recipe.width, image_size=recipe.image_size, classes=classifier.classes
    ).model_dump_json()
    save_model(classifier.logits, str(path), metadata={_KEY: header, "format": "pt"})
    written = path.read_bytes()
    path.unlink()  # safetensors creates it readable by its owner alone; this file gets the usual permissions
    path.write_bytes(written)


def read_weights(path: Path, model: str | None = None) -> Classifier:
    """Read a file of :func:`write_weights`; the classifier is in evaluation mode, on the CPU.

    Args:
        path: Path of the file.
        model: Network that the file must have. None: the program's own, because a file from elsewhere must not decide
            which module is imported.

    Raises:
        InputError: There is no such file, it is damaged, another program wrote it, or it has another network.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = _Header.model_validate_json((file.metadata() or {})[_KEY])
        if header.model != (model or "s11"):
            own, other = f"pass no --model (got {model})", f"if you trust it, pass --model {header.model}"
            raise InputError(f"{path}: its network is {header.model}; {own if header.model == 's11' else other}")
        # The statistics and the logit scale below are placeholders, which those in the file replace.
        recipe = Recipe(model=header.model, width=header.width, image_size=header.image_size, pad=0, cutout=0)
        logits = Logits(build_model(recipe, len(header.classes)), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 1.0)
        load_model(logits, path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (KeyError, ValidationError):
        raise InputError(f"{path}: must be a file that tune-s11 export wrote") from None
    except (SafetensorError, RuntimeError, OSError) as error:
        raise InputError(f"{path}: cannot be read ({type(error).__name__})") from None
    return Classifier(logits, header.classes, header.image_size)
