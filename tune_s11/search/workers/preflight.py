"""Checks, before anything starts, whether trials can run on the nodes of a cluster.

The nodes must see the results and be able to write them, receive the images undamaged, be able to build the network and
the augmentation, and have GPUs that torch can use.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import ray
from ray import ObjectRef
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tune_s11.config import InputError, Recipe
from tune_s11.data import Dataset, build_augmentation
from tune_s11.models import build_model
from tune_s11.search.workers.cluster import Node, alive_nodes
from tune_s11.search.workers.executor import why_gpu_is_unusable
from tune_s11.storage.disk import existing
from tune_s11.training.trainer import TrainingData


def fingerprint(data: TrainingData) -> str:
    """Return a hash of the training/validation split, 16 hexadecimal digits."""
    return Dataset((), data.train, data.validation or data.train).fingerprint


class _Seen(NamedTuple):
    """What a node sees."""

    folder: bool
    """Whether it sees the marker in the folder of the results."""
    writable: bool
    """Whether it may write there."""
    fingerprint: str
    """Fingerprint of the images that it has received."""
    no_gpu: str | None
    """Why torch cannot use its GPUs; None if it can, or need not."""


def _look(marker: Path, data: TrainingData, recipe: Recipe, gpus: bool) -> _Seen:
    build_model(recipe, data.num_classes)
    build_augmentation(recipe, data.mean, data.std)
    # This task has no GPU of its own, for which it might have to wait. It sees them all, unless Ray is to hide them.
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") == ""
    no_gpu = why_gpu_is_unusable() if gpus and not hidden else None
    return _Seen(marker.exists(), os.access(marker.parent, os.W_OK), fingerprint(data), no_gpu)


def check_nodes(
    nodes: Sequence[Node],
    folder: Path | None,
    recipe: Recipe,
    images: TrainingData,
    data: ObjectRef,
    *,
    gpus: bool = False,
) -> None:
    """Let each node look for a temporary file next to the results, and check the images that it has received.

    Args:
        nodes: Nodes that trials may run on; none on this machine alone, of which there is nothing to check.
        folder: Folder of the search, which need not exist; None: the results go to a storage, and nodes need not see
            a folder.
        recipe: Recipe to train.
        images: Data of the trials.
        data: The same in the object store. This call sends it to each node.
        gpus: Whether trials run on the nodes' GPUs.

    Raises:
        InputError: A node does not see the folder or cannot write it, has other images, cannot run this program, lacks
            the augmentation's file, or has a GPU that torch cannot use.
    """
    if not nodes:
        return
    parent, expected = None if folder is None else existing(folder), fingerprint(images)
    # A process that has seen the GPUs must end: Ray could not restrict it to one later. 0: it need not.
    look = ray.remote(num_cpus=0, max_calls=int(gpus))(_look)
    with tempfile.NamedTemporaryFile(dir=parent, prefix=".tune_s11-") as marker:
        answers = []
        for node in nodes:
            there_alone = NodeAffinitySchedulingStrategy(node.id, soft=False)
            there = look.options(scheduling_strategy=there_alone)
            answers.append((node, there.remote(Path(marker.name), data, recipe, gpus)))
        for node, answer in answers:
            try:
                seen = ray.get(answer)
            except RayError as error:
                if node.id not in {alive.id for alive in alive_nodes()}:
                    continue  # the node has left, or its link is down
                reason = str(getattr(error, "cause", None) or error).strip().splitlines()[-1]
                raise InputError(f"node {node.name}: trials cannot run on it: {reason}") from None
            if folder is not None and not (seen.folder and seen.writable):
                raise InputError(
                    f"--storage {folder.parent}: node {node.name} cannot {'write' if seen.folder else 'see'} this "
                    "folder; on a cluster it must be one that all nodes share, such as a network mount"
                )
            if seen.fingerprint != expected:
                reason = f"its images have the fingerprint {seen.fingerprint}, here it is {expected}"
                raise InputError(f"node {node.name}: {reason}")
            if seen.no_gpu is not None:
                raise InputError(f"node {node.name}: {seen.no_gpu}")
