"""The peer's end of the protocol in benchmarks/race/peer.py."""

import json
import os
import sys
import tempfile
from typing import Any

TASK: dict[str, Any] = json.loads(sys.argv[1])
"""The peer's task: ``space``, ``prior`` (the recipe's defaults), ``epochs`` of a complete trial and ``seed``."""

_folder = tempfile.TemporaryDirectory()
OUTPUT = _folder.name
"""Folder for the files that libraries write; removed at the end."""

_out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # Output that a library prints must not mix with the questions.


def evaluate(params: dict[str, float], epochs: float) -> float:
    """Return 1 minus the validation accuracy of a configuration after ``epochs`` epochs."""
    question = {"params": {name: float(params[name]) for name in TASK["space"]}, "epochs": float(epochs)}
    print(json.dumps(question), file=_out, flush=True)
    answer = sys.stdin.readline()
    if not answer:
        raise SystemExit  # The race is over.
    return 1.0 - float(json.loads(answer)["score"])
