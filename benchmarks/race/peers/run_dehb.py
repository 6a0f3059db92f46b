"""DEHB (Awad et al., IJCAI 2021), as its authors publish it, with their defaults."""

import channel
import ConfigSpace
from dehb import DEHB

space = ConfigSpace.ConfigurationSpace(seed=channel.TASK["seed"])
space.add(
    [
        ConfigSpace.UniformFloatHyperparameter(name, domain["low"], domain["high"], log=domain["log"])
        for name, domain in channel.TASK["space"].items()
    ]
)
optimizer = DEHB(
    cs=space,
    min_fidelity=1,
    max_fidelity=channel.TASK["epochs"],
    eta=3,
    n_workers=1,
    seed=channel.TASK["seed"],
    save_freq="end",
    output_path=channel.OUTPUT,
)
while True:  # The race ends it.
    job = optimizer.ask()
    loss = channel.evaluate(dict(job["config"]), job["fidelity"])
    optimizer.tell(job, {"fitness": loss, "cost": job["fidelity"]})
