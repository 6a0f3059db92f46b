"""Conditions under which the range test is judged, fixed before any rule was tuned; some are held out.

A condition is a network, an optimizer, a momentum and a batch on one division of one set of images. Rules are
designed on the conditions of the named networks. Those of the six networks in ``held_out_networks.py`` are measured
once, after the commit that fixes the rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.race.problems import CIFAR10, DIGITS, Problem

RATES = {"sgd": (-12, 4), "adamw": (-15, 1)}
"""Rates that are tried, by optimizer: 10^(k/3) for k from the first to the second number, both included."""

LADDER = (1, 2, 4, 6)
"""Lengths in epochs of short complete cycles: a twelfth, a sixth, a third and a half of a complete trial's 12."""

LONGER = 24
"""Epochs of cycles twice as long as a complete trial, measured under a few conditions."""


@dataclass(frozen=True)
class Condition:
    """One condition."""

    problem: Problem
    """Network, optimizer and images; its name is the condition's."""
    longer: bool = False
    """Whether cycles of :data:`LONGER` epochs are measured too."""

    @property
    def name(self) -> str:
        """Name on the command line and of the recording's file."""
        return self.problem.name

    def __str__(self) -> str:
        return self.name

    @property
    def optimizer(self) -> str:
        """``sgd`` or ``adamw``."""
        return str(self.problem.fields["optimizer"])

    @property
    def rates(self) -> list[float]:
        """Peak learning rates that are tried, in ascending order."""
        first, last = RATES[self.optimizer]
        return [float(f"{10 ** (k / 3):.4g}") for k in range(first, last + 1)]


_HERE = "benchmarks.lr_range.networks"
_RACE = "benchmarks.race.networks"
_ASIDE = "benchmarks.lr_range.held_out_networks"

_NETWORKS: dict[str, Mapping[str, Any]] = {
    "s11": {"width": 2},
    "s11-unscaled": {"width": 2, "logit_scale": 1.0},
    "vgg": {"model": f"{_HERE}:vgg", "width": 8, "logit_scale": 1.0},
    "groupnorm": {"model": f"{_RACE}:group_norm", "width": 8, "logit_scale": 1.0},
    "plain": {"model": f"{_RACE}:plain", "width": 8, "logit_scale": 1.0},
    "mlp": {"model": f"{_HERE}:mlp", "width": 8, "logit_scale": 1.0},
    "transformer": {"model": f"{_RACE}:transformer", "width": 32, "logit_scale": 1.0},
    "depthwise": {"model": f"{_HERE}:depthwise", "width": 8, "logit_scale": 1.0},
}

_HELD_OUT: dict[str, Mapping[str, Any]] = {
    name: {"model": f"{_ASIDE}:{name}", "width": width, "logit_scale": 1.0}
    for name, width in {
        "saturating": 8,
        "pre_activation": 8,
        "dense": 8,
        "mixer": 32,
        "large_kernels": 16,
        "gated": 8,
    }.items()
}

_ADAMW = {"optimizer": "adamw", "weight_decay": 0.01}
"""AdamW with torch's default weight decay: decoupled from the gradient, it is far weaker than SGD's."""

_SETTINGS: dict[str, Mapping[str, Any]] = {
    "m0-b32": {"optimizer": "sgd", "momentum": 0.0, "batch_size": 32},
    "m0.9-b64": {"optimizer": "sgd", "momentum": 0.9, "batch_size": 64},
    "m0.99-b128": {"optimizer": "sgd", "momentum": 0.99, "batch_size": 128},
    "adamw-b64": {**_ADAMW, "momentum": 0.9, "batch_size": 64},
}
"""Settings by the ending of a condition's name; AdamW's momentum is its first beta, the decay of the mean gradient."""

_ASIDE_SETTINGS: dict[str, Mapping[str, Any]] = {
    "m0-b64": {"optimizer": "sgd", "momentum": 0.0, "batch_size": 64},
    "m0.97-b32": {"optimizer": "sgd", "momentum": 0.97, "batch_size": 32},
    "adamw-b128": {**_ADAMW, "momentum": 0.9, "batch_size": 128},
}

_CIFAR10 = {
    "s11-cifar10-m0.9-b128": {"width": 8, "optimizer": "sgd", "momentum": 0.9},
    "s11-cifar10-m0-b512": {"width": 8, "optimizer": "sgd", "momentum": 0.0, "batch_size": 512},
    "groupnorm-cifar10-m0.9-b128": {**_NETWORKS["groupnorm"], "width": 16, "optimizer": "sgd", "momentum": 0.9},
    "groupnorm-cifar10-adamw-b128": {**_NETWORKS["groupnorm"], "width": 16, **_ADAMW},
    "plain-cifar10-m0.9-b128": {**_NETWORKS["plain"], "optimizer": "sgd", "momentum": 0.9},
    "transformer-cifar10-adamw-b128": {**_NETWORKS["transformer"], **_ADAMW},
}


def _conditions() -> list[Condition]:
    found = []
    for network, fields in _NETWORKS.items():
        for ending, settings in _SETTINGS.items():
            problem = Problem(f"{network}-{ending}", {**DIGITS, **fields, **settings}, 300)
            found.append(Condition(problem, longer=ending == "m0.9-b64"))
    for name, fields in _CIFAR10.items():
        found.append(Condition(Problem(name, {**CIFAR10, **fields}, 5000)))
    for network, fields in _HELD_OUT.items():
        for ending, settings in _ASIDE_SETTINGS.items():
            problem = Problem(f"{network}-{ending}", {**DIGITS, **fields, **settings}, 300, aside=True)
            found.append(Condition(problem))
    return found


CONDITIONS = {condition.name: condition for condition in _conditions()}
"""All conditions by name, the held-out ones last."""


def data_dir_of(condition: Condition, data_dir: Path | None) -> Path | None:
    """Return the image folder for a condition on CIFAR-10, None for one on digits."""
    return data_dir if condition.problem.fields["dataset"] == "cifar10" else None
