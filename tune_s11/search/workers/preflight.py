"""Checks, before anything starts, whether trials can run on the nodes of a cluster.

The nodes must see the results, receive the images undamaged, and be able to build the network.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import ray
from ray import ObjectRef
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tune_s11.config import InputError, Recipe
from tune_s11.data import Dataset
from tune_s11.models import build_model
from tune_s11.search.workers.cluster import Node, alive_nodes
from tune_s11.storage.disk import existing
from tune_s11.training.trainer import TrainingData


def fingerprint(data: TrainingData) -> str:
    """Return a hash of the training/validation split, 16 hexadecimal digits."""
    return Dataset((), data.train, data.validation or data.train).fingerprint


def _look(marker: Path, data: TrainingData, recipe: Recipe) -> tuple[bool, str]:
    build_model(recipe, data.num_classes)
    return marker.exists(), fingerprint(data)


def check_nodes(
    nodes: Sequence[Node], folder: Path | None, recipe: Recipe, images: TrainingData, data: ObjectRef
) -> None:
    """Let each node look for a temporary file next to the results, and check the images that it has received.

    Args:
        nodes: Nodes that trials may run on; none on this machine alone, of which there is nothing to check.
        folder: Folder of the search, which need not exist; None: the results go to a storage, and nodes need not see
            a folder.
        recipe: Recipe to train.
        images: Data of the trials.
        data: The same in the object store. This call sends it to each node.

    Raises:
        InputError: A node does not see the folder, has other images, or cannot run this program.
    """
    if not nodes:
        return
    parent, expected = None if folder is None else existing(folder), fingerprint(images)
    look = ray.remote(num_cpus=0)(_look)
    with tempfile.NamedTemporaryFile(dir=parent, prefix=".tune_s11-") as marker:
        answers = []
        for node in nodes:
            there_alone = NodeAffinitySchedulingStrategy(node.id, soft=False)
            answers.append(
                (node, look.options(scheduling_strategy=there_alone).remote(Path(marker.name), data, recipe))
            )
        for node, answer in answers:
            try:
                seen, received = ray.get(answer)
            except RayError as error:
                if node.id not in {alive.id for alive in alive_nodes()}:
                    continue  # the node has left, or its link is down
                reason = str(getattr(error, "cause", None) or error).strip().splitlines()[-1]
                raise InputError(f"node {node.name}: trials cannot run on it: {reason}") from None
            if folder is not None and not seen:
                raise InputError(
                    f"--storage {folder.parent}: node {node.name} cannot see this folder; on a cluster "
                    "it must be one that all nodes share, such as a network mount"
                )
            if received != expected:
                raise InputError(f"node {node.name}: its images have the fingerprint {received}, here it is {expected}")
