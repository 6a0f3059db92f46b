"""Attempts at a trial, as Ray writes them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tune_s11.training.metrics import EpochMetrics

HARDWARE = {"device": "cuda", "precision": "bf16", "threads": 4}


def write_attempt(folder: Path, reports: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True)
    (folder / "params.json").write_text(json.dumps({"params": {"momentum": 0.85}, "seed": 0}))
    (folder / "result.json").write_text("".join(json.dumps(report) + "\n" for report in reports))


def row(epoch: int, score: float) -> dict[str, Any]:
    return asdict(EpochMetrics(epoch, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, score, 1.5, 1000.0, False))


def report(first: int, last: int, **ray: Any) -> dict[str, Any]:
    epochs = [row(epoch, 0.1 * epoch) for epoch in range(first, last + 1)]
    return {"epoch": last, "epochs": epochs, "hardware": HARDWARE, "done": False} | ray
