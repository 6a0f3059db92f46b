"""What nodes are refused for, on a Ray that is made up; real nodes are in tests/cluster."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from ray.exceptions import RayTaskError

from tune_s11.config import InputError, Recipe
from tune_s11.data import Images
from tune_s11.search.workers import executor, preflight
from tune_s11.search.workers.cluster import Node
from tune_s11.search.workers.preflight import check_nodes, fingerprint
from tune_s11.training.trainer import TrainingData

STATISTICS = (0.5, 0.5, 0.5)


def data(train: int, validation: int | None) -> TrainingData:
    def images(value: int) -> Images:
        return Images(np.full((2, 8, 8, 3), value, np.uint8), np.array([0, 1]))

    return TrainingData(images(train), None if validation is None else images(validation), 2, STATISTICS, STATISTICS)


def test_a_fingerprint_is_that_of_all_images() -> None:
    assert fingerprint(data(1, 2)) == fingerprint(data(1, 2))
    assert len({fingerprint(data(*values)) for values in ((1, 2), (1, 3), (2, 2), (1, None))}) == 4
    assert len(fingerprint(data(1, 2))) == 16


def test_one_machine_has_nothing_to_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "fingerprint", lambda images: pytest.fail("hashes all images for nothing"))
    nothing: Any = None
    check_nodes((), tmp_path, Recipe(), data(1, 2), nothing)


NODE = Node(2, 1, "10.0.0.7", "its id")
SMALL = Recipe(width=2, image_size=8, pad=1, cutout=2)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many calls a process of the node may have, 0 for any number: a node that is this process."""
    seen: list[int] = []

    def remote(num_cpus: int, max_calls: int) -> Callable[[Callable[..., Any]], Any]:
        seen.append(max_calls)
        return lambda look: SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda *given: (look, given)))

    def get(answer: tuple[Callable[..., Any], tuple[Any, ...]]) -> Any:
        look, given = answer
        try:
            return look(*given)
        except Exception as error:
            raise RayTaskError("_look", f"Traceback\n{error}", error) from None

    monkeypatch.setattr(preflight, "ray", SimpleNamespace(remote=remote, get=get))
    monkeypatch.setattr(preflight, "alive_nodes", lambda: [NODE])
    monkeypatch.setattr(preflight, "NodeAffinitySchedulingStrategy", lambda node, soft: node)
    return seen


def refused(folder: Path, recipe: Recipe = SMALL, *, gpus: bool = False) -> str:
    sent: Any = data(1, 2)
    with pytest.raises(InputError) as error:
        check_nodes([NODE], folder / "mine", recipe, sent, sent, gpus=gpus)
    assert list(folder.iterdir()) == []
    return str(error.value)


def test_a_node_that_lacks_nothing_passes(calls: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: Any = data(1, 2)
    check_nodes([NODE], tmp_path, SMALL, sent, sent)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    check_nodes([NODE], tmp_path, SMALL, sent, sent, gpus=True)
    assert calls == [0, 1], "a process that has seen all GPUs must not train on one of them"


def test_an_augmentation_that_only_the_driver_has(calls: list[int], tmp_path: Path) -> None:
    file = tmp_path / "not" / "there.json"
    line = refused(tmp_path, SMALL.model_copy(update={"augmentation": str(file)}))
    assert line.startswith(f"node 10.0.0.7: trials cannot run on it: augmentation '{file}': expected")


def test_a_folder_that_a_node_cannot_write(calls: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readable = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and readable(path, mode))
    assert refused(tmp_path).startswith(f"--storage {tmp_path}: node 10.0.0.7 cannot write this folder; ")


def test_a_gpu_that_torch_cannot_use(calls: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(executor, "why_no_gpu", lambda: "the driver is too old")
    line = r"node 10\.0\.0\.7: Ray gives it a GPU, but the driver is too old; expected --gpus 0, or .*"
    assert re.fullmatch(line, refused(tmp_path, gpus=True))
    sent: Any = data(1, 2)
    check_nodes([NODE], tmp_path, SMALL, sent, sent)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # hidden by Ray from a task that was given none: nothing is known
    check_nodes([NODE], tmp_path, SMALL, sent, sent, gpus=True)
