"""Exports the winner to a file for other programs: ``tune-s11 export``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from tune_s11.cli.hints import shown_path
from tune_s11.cli.options import RESULTS, StorageOption
from tune_s11.config import InputError
from tune_s11.results import load_search
from tune_s11.results.folder import ExportFormat
from tune_s11.results.opening import publish
from tune_s11.text import printable


def export(
    name: Annotated[str, typer.Argument(metavar="SEARCH", help="Name or path.")],
    kind: Annotated[
        ExportFormat,
        typer.Option("--format", help="safetensors: weights; torch: torch.export; onnx: needs tune-s11[onnx]."),
    ] = "safetensors",
    storage: StorageOption = RESULTS,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder to write into (default: best/export of the search)."),
    ] = None,
) -> None:
    """Exports the winner to a file. The file is checked against the refit, and gets a model card."""
    from tune_s11.winner import read_best  # imports torch
    from tune_s11.winner.export import CARD, ExportError
    from tune_s11.winner.export import export as write_export

    search = load_search(name, storage)
    folder = out or search.folder.export
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder}: must be a folder, existing or new")
    try:
        exported = write_export(read_best(search), kind, folder)
    except ExportError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(1)
    print(f"{shown_path(exported.path)}: logits differ from the refit's by {exported.difference:.2g} of the largest")
    if exported.recorded is None:
        print("compared on noise: the search's test images are not available")
    else:
        print(f"and by {exported.recorded:.2g} from those recorded for its test images")
    print(f"model card: {shown_path(folder / CARD)}")
    if out is None:
        try:
            if published := publish(search.path, folder.relative_to(search.path).as_posix()):
                print(f"copied to {published}")
        except InputError as error:  # the user may be allowed to read but not to write
            print(f"not copied: {printable(str(error))}")
