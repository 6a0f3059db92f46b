"""SMAC's multi-fidelity facade (Lindauer et al., JMLR 2022): random forest, expected improvement, Hyperband."""

import channel
import ConfigSpace
from smac import MultiFidelityFacade, Scenario

space = ConfigSpace.ConfigurationSpace(seed=channel.TASK["seed"])
space.add(
    [
        ConfigSpace.UniformFloatHyperparameter(name, domain["low"], domain["high"], log=domain["log"])
        for name, domain in channel.TASK["space"].items()
    ]
)


def target(config: ConfigSpace.Configuration, seed: int = 0, budget: float = 1.0) -> float:
    """Return the loss that SMAC minimises."""
    return channel.evaluate(dict(config), budget)


scenario = Scenario(
    space,
    output_directory=channel.OUTPUT,
    deterministic=True,
    n_trials=100_000,  # The race ends it.
    min_budget=1,
    max_budget=channel.TASK["epochs"],
    seed=channel.TASK["seed"],
)
MultiFidelityFacade(scenario, target, overwrite=True, logging_level=30).optimize()
