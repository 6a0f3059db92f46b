"""The nodes of a cluster are asked, before anything starts, whether they see the results and have the images whole."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import ray
from ray import ObjectRef
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tune_s11.config import InputError
from tune_s11.data import Dataset
from tune_s11.search.cluster import Node, alive_nodes
from tune_s11.trainer import TrainingData


def fingerprint(data: TrainingData) -> str:
    """16 hexadecimal digits over all images that trials learn from and validate on."""
    return Dataset((), data.train, data.validation or data.train).fingerprint


def _look(marker: Path, data: TrainingData) -> tuple[bool, str]:
    return marker.exists(), fingerprint(data)


def check_nodes(nodes: Iterable[Node], folder: Path, data: ObjectRef, expected: str) -> None:
    """Has each node look for a file that is made beside the results for a moment, and at the images it was sent.

    Args:
        nodes: Those that trials may run on.
        folder: Of the search. Need not exist.
        data: The trials' :class:`tune_s11.trainer.TrainingData` in the object store. Each node gets it here.
        expected: Its :func:`fingerprint`.

    Raises:
        InputError: A node does not see the folder, has other images, or cannot run this program.
    """
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    look = ray.remote(num_cpus=0)(_look)
    with tempfile.NamedTemporaryFile(dir=there, prefix=".tune_s11-") as marker:
        answers = [
            (node, look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)))
            for node in nodes
        ]
        for node, answer in [(node, asked.remote(Path(marker.name), data)) for node, asked in answers]:
            try:
                seen, received = ray.get(answer)
            except RayError as error:
                if node.id not in {alive.id for alive in alive_nodes()}:
                    continue  # it has left, or its link is down
                reason = str(error).strip().splitlines()[-1]
                raise InputError(f"node {node.name}: it cannot run tune_s11: {reason}") from None
            if not seen:
                raise InputError(
                    f"--storage {folder.parent}: the node {node.name} does not see this folder; allowed on a cluster "
                    "is one that all nodes share, such as a network mount"
                )
            if received != expected:
                raise InputError(f"node {node.name}: its images have the fingerprint {received}, here it is {expected}")
