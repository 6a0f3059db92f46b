"""Weights in a file that was exported, or was not."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.winner.exported import export_from
from tune_s11.config import InputError
from tune_s11.winner import load_best


def test_files_that_are_no_exported_weights(finished: Path, tmp_path: Path) -> None:
    whole = export_from(finished, "safetensors").path
    for name, content, problem in (
        ("none", None, "no such file"),
        ("cut", whole.read_bytes()[:-5], "cannot be read"),
        ("empty", b"", "cannot be read"),
    ):
        file = tmp_path / f"{name}.safetensors"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}.safetensors: {problem}"):
            load_best(str(file), Path())
    with pytest.raises(
        InputError, match=r"model.safetensors: its network is s11; pass no --model \(got my_net:build\)$"
    ):
        load_best(str(whole), Path(), "my_net:build")
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors", metadata={"tune_s11": "{}"})
    with pytest.raises(InputError, match=r"other.safetensors: must be a file that tune-s11 export wrote"):
        load_best(str(tmp_path / "other.safetensors"), Path())
