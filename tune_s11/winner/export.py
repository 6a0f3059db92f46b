"""Exports the winner to a file for other programs. The file is read back and compared, and kept only if it passes."""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tune_s11.config import InputError
from tune_s11.data import normalise
from tune_s11.data.dataset import Pixels
from tune_s11.results.folder import ExportFormat
from tune_s11.storage.files import write_whole
from tune_s11.winner.card import model_card
from tune_s11.winner.classifier import Logits
from tune_s11.winner.loading import Best
from tune_s11.winner.weights import read_weights, write_weights

FILES: dict[ExportFormat, str] = {"safetensors": "model.safetensors", "torch": "model.pt2", "onnx": "model.onnx"}
"""Name of the exported file, by format."""

CARD = "README.md"
"""Name of the model card's file."""

TOLERANCE = 1e-4
"""Largest allowed difference between a logit of the file and that of the refit's network in fp32, as a share of the
largest logit. The logits differ because other kernels sum in another order."""

RECORDED_TOLERANCE = {"fp32": 0.01, "bf16": 0.05}
"""Largest allowed difference from the logits that the refit recorded, on the same scale, by the refit's precision. GPUs
may multiply fp32 as TF32, which rounds to 10 bits; bf16 has 7."""

IMAGES = 64
"""Images that are compared, at most."""

BATCHES = (1, 5)
"""Sizes of the first batches of the comparison, all unlike that of the traced example; the rest is one batch."""


class ExportError(Exception):
    """Raised when the winner cannot be exported to a format, or not faithfully; the message is one line."""


@dataclass(frozen=True)
class Exported:
    """A file that passed the comparison.

    Attributes:
        path: Path of the file.
        difference: Largest difference of its logits from the refit's network; see :data:`TOLERANCE`.
        recorded: Largest difference of its logits from those that the refit recorded on its test images; None if these
            are not available.
    """

    path: Path
    difference: float
    recorded: float | None


def export(best: Best, kind: ExportFormat, folder: Path) -> Exported:
    """Export a winner to a folder, with its model card, if the logits of the file are the refit's.

    Args:
        best: Winner to export.
        kind: Format of the file.
        folder: Folder to write into; created if it is missing. An earlier file of the same format is replaced.

    Raises:
        InputError: The format's libraries are not installed, the folder cannot be written, or its ``README.md`` is not
            this winner's.
        ExportError: The format cannot hold the network, or the file's logits are not the refit's. Nothing is
            written then, and earlier files are kept.
    """
    write, read = _WAYS[kind]
    path = folder / FILES[kind]
    described = _files_of_card(folder, best)
    files = {str(each): name for each, name in FILES.items() if each == kind or name in described}
    card = model_card(best, files, TOLERANCE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = TemporaryDirectory(dir=folder, prefix=".")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None
    with scratch as place:
        partial = Path(place) / path.name
        try:
            with _quiet():
                write(partial, best)
                function = read(partial, best)
        except (InputError, OSError):
            raise
        except Exception as error:  # a format may be unable to hold a network of the user's own
            raise ExportError(f"{kind}: cannot hold this network: {_one_line(error)}") from error
        difference, recorded = _compare(function, best, kind)
        partial.replace(path)
    write_whole(folder / CARD, card)
    return Exported(path, difference, recorded)


def _files_of_card(folder: Path, best: Best) -> list[str]:
    """Return the files that an earlier card of this winner describes; no other file was ever compared.

    Raises:
        InputError: The card belongs to another winner, and would be lost.
    """
    try:
        there = (folder / CARD).read_text(errors="replace")
    except OSError:
        return []
    if best.classifier.logits.fingerprint not in there:
        raise InputError(
            f"--out {folder}: must be a new folder, or this winner's; its {CARD} belongs to another winner"
        )
    return [name for name in FILES.values() if f"`{name}`" in there and (folder / name).exists()]


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporters' output, logs and warnings, such as the whole graph of a network that they reject."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


# --- the formats

Function = Callable[[Tensor], npt.NDArray[np.float32]]
"""Function from images, uint8 (N, 3, H, W), to logits (N, K), as a user of the file would call it."""


def _write_safetensors(path: Path, best: Best) -> None:
    write_weights(path, best.classifier, best.recipe)


def _read_safetensors(path: Path, best: Best) -> Function:
    return _function(read_weights(path, best.recipe.model).logits)


def _write_torch(path: Path, best: Best) -> None:
    program = torch.export.export(_fixed(best.classifier.logits), (_example(best),), dynamic_shapes=_batch_free())
    torch.export.save(program, path, extra_files={"classes.json": json.dumps(best.classifier.classes)})


def _read_torch(path: Path, best: Best) -> Function:
    return _function(torch.export.load(path).module())


def _write_onnx(path: Path, best: Best) -> None:
    try:  # fails before the network is exported
        import onnx
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(f"--format onnx: needs {error.name}: pip install 'tune-s11[onnx]'") from None
    torch.onnx.export(
        _fixed(best.classifier.logits),
        (_example(best),),
        path,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=_batch_free(),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"classes": json.dumps(best.classifier.classes)})
    onnx.save(model, path)


def _read_onnx(path: Path, best: Best) -> Function:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def call(images: Tensor) -> npt.NDArray[np.float32]:
        (logits,) = session.run(["logits"], {"images": images.numpy()})
        return np.asarray(logits)

    return call


_WAYS: dict[ExportFormat, tuple[Callable[[Path, Best], None], Callable[[Path, Best], Function]]] = {
    "safetensors": (_write_safetensors, _read_safetensors),
    "torch": (_write_torch, _read_torch),
    "onnx": (_write_onnx, _read_onnx),
}


def _fixed(logits: Logits) -> Logits:
    return logits.eval().requires_grad_(False)


def _example(best: Best) -> Tensor:
    side = best.recipe.image_size
    return torch.zeros((2, 3, side, side), dtype=torch.uint8)  # a batch of one would be taken for a fixed size


def _batch_free() -> dict[str, dict[int, torch.export.Dim]]:
    return {"images": {0: torch.export.Dim("batch", min=1)}}


def _function(module: Callable[[Tensor], Tensor]) -> Function:
    def call(images: Tensor) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            return module(images).numpy()

    return call


# --- the comparison


def _compare(function: Function, best: Best, kind: ExportFormat) -> tuple[float, float | None]:
    """Return the differences from the refit's network and from its record; raise if one exceeds its tolerance."""
    pixels, recorded = _images(best)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    rest = len(images) - sum(BATCHES)
    try:
        logits = np.concatenate([function(batch) for batch in images.split([*BATCHES, rest])])
    except Exception as error:
        raise ExportError(
            f"{kind}: the exported file fails on images: {_one_line(error)}; the file was removed"
        ) from error
    difference = _difference(logits, _refit_logits(best, pixels))
    if not difference <= TOLERANCE:
        raise ExportError(
            f"{kind}: the exported logits differ from the refit's by {difference:.2g}, more than {TOLERANCE:g}; "
            "the file was removed"
        )
    if recorded is None:
        return difference, None
    from_record, limit = _difference(logits, recorded), RECORDED_TOLERANCE[best.run.hardware.precision]
    if not from_record <= limit:
        raise ExportError(
            f"{kind}: the exported logits differ from those in {best.folder.test_logits} by {from_record:.2g}, "
            f"more than {limit:g}; the file was removed"
        )
    return difference, from_record


def _images(best: Best) -> tuple[Pixels, npt.NDArray[np.float32] | None]:
    """Return test images (N, H, W, 3) and their recorded logits; noise and None if they are not available."""
    try:
        test = best.dataset.test
        with np.load(best.folder.test_logits, allow_pickle=False) as arrays:
            logits = arrays["ema" if "ema" in arrays else "raw"]
        chosen = np.linspace(0, len(test) - 1, IMAGES).astype(int)
        return test.pixels[chosen], logits[chosen]
    except (InputError, OSError, ValueError, KeyError, IndexError):
        side = best.recipe.image_size
        return np.random.default_rng(0).integers(0, 256, (IMAGES, side, side, 3), np.uint8), None


@torch.inference_mode()
def _refit_logits(best: Best, pixels: Pixels) -> npt.NDArray[np.float32]:
    """Return the logits as the refit computes them, in fp32, from the network alone."""
    logits = best.classifier.logits.network(normalise(torch.from_numpy(pixels), best.mean, best.std))
    return np.asarray(logits.float() * best.recipe.logit_scale)


def _difference(found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> float:
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max() / (np.abs(expected).max() or 1.0))


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
