"""PriorBand (Mallik et al., NeurIPS 2023) of neural-pipeline-search, over Hyperband.

Its prior is the recipe's defaults, with medium confidence. It knows them even in the track in which no arm tries them
first, because without a prior it would be another method.
"""

from typing import Any

import channel
import neps
import numpy as np
import torch

np.random.seed(channel.TASK["seed"])
torch.manual_seed(channel.TASK["seed"])


class Space(neps.PipelineSpace):
    """The race's space, with the epochs as fidelity."""

    epochs = neps.IntegerFidelity(1, channel.TASK["epochs"])


for name, domain in channel.TASK["space"].items():
    parameter = neps.Float(
        domain["low"],
        domain["high"],
        log=domain["log"],
        prior=channel.TASK["prior"][name],
        prior_confidence="medium",
    )
    setattr(Space, name, parameter)


def evaluate(epochs: int, **params: Any) -> float:
    """Return the loss that NePS minimises."""
    return channel.evaluate({name: params[name] for name in channel.TASK["space"]}, epochs)


neps.run(
    evaluate,
    Space(),
    root_directory=channel.OUTPUT,
    optimizer=("priorband", {"base": "hyperband"}),
    total_evaluations_to_spend=100_000,  # The race ends it.
    overwrite_root_directory=True,
)
