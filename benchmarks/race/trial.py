"""Training of one configuration to completion, which gives a line of a pool."""

import time
from typing import Any

import torch

from benchmarks.race.problems import DEFAULTS, SEED, Inputs, defaults, draw
from tune_s11.hardware import Hardware
from tune_s11.training.trainer import Trainer

FRESH = 1_000_000
"""Offset added to the training seed for each repeat; no pool is so large that another configuration has that seed."""


def train(inputs: Inputs, hardware: Hardware, number: int, repeat: int = 0) -> dict[str, Any]:
    """Train configuration ``number`` to completion, or until it diverges.

    Args:
        inputs: Recipe and images of the problem.
        hardware: Hardware to compute with.
        number: Number of the configuration, ``DEFAULTS`` for the recipe's own; it also determines the training seed.
        repeat: 0 for the pool's own run; above 0 for a run from a fresh seed.

    Returns:
        ``number``, ``repeat`` if it is not 0, and ``config``. ``curve``: lists with one value per epoch of
        ``train_loss`` in nats (None once diverged), and of ``raw`` and ``ema`` validation accuracy (0 once diverged).
        ``score``: accuracies after the last epoch, ``raw`` and ``ema`` on the held-out images, ``validation_raw`` and
        ``validation_ema``; None for a trial that diverged, in epoch ``diverged_at``. ``seconds``: processor time.
        ``processor``: kind of processor.
    """
    config = defaults() if number == DEFAULTS else draw(number)
    start = time.process_time()  # with one thread, the time that the trial would take alone
    trainer = Trainer(inputs.recipe.model_copy(update=config), inputs.data, hardware, SEED + number + FRESH * repeat)
    curve: dict[str, list[float | None]] = {"train_loss": [], "raw": [], "ema": []}
    for metrics in trainer:
        curve["train_loss"].append(rounded(metrics.train_loss))
        curve["raw"].append(rounded(metrics.val_accuracy))
        curve["ema"].append(rounded(metrics.ema_val_accuracy))
    score = None
    if not trainer.diverged:
        held_out = trainer.on_device(inputs.held_out)
        score = {
            "raw": rounded(trainer.evaluate(trainer.model, held_out)[1]),
            "ema": rounded(trainer.evaluate(trainer.average.model, held_out)[1]),
            "validation_raw": curve["raw"][-1],
            "validation_ema": curve["ema"][-1],
        }
    return {
        "number": number,
        **({"repeat": repeat} if repeat else {}),
        "config": config,
        "curve": curve,
        "score": score,
        "diverged_at": trainer.epoch if trainer.diverged else None,
        "seconds": round(time.process_time() - start, 2),
        "processor": processor_kind(),
    }


def held_out_accuracy(trainer: Trainer, inputs: Inputs) -> float:
    """Train to completion; return the accuracy of the EMA weights on the held-out images, chance if it diverges."""
    for _ in trainer:
        pass
    if trainer.diverged:
        return 1 / inputs.data.num_classes
    return trainer.evaluate(trainer.average.model, trainer.on_device(inputs.held_out))[1]


def processor_kind() -> str:
    """Return the fastest instruction set of this processor that training uses; arms are compared within one kind.

    Without AMX and AVX-512 bf16 the program trains in fp32.
    """
    able = torch.cpu.get_capabilities()
    kinds = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 bf16", "avx2": "AVX2"}
    return next((kind for instruction, kind in kinds.items() if able.get(instruction)), "other")


def rounded(value: float | None) -> float | None:
    """Round a figure to the four digits that recordings keep."""
    return None if value is None else round(value, 4)
