"""The peers' side of benchmarks/race/peer.py."""

import json
import os
import sys
import tempfile
from typing import Any

TASK: dict[str, Any] = json.loads(sys.argv[1])
"""``space``, the ``prior`` (the recipe's defaults), ``epochs`` of a complete trial, ``seed``."""

_folder = tempfile.TemporaryDirectory()
OUTPUT = _folder.name
"""Where libraries that write files may do so; removed at the end."""

_out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # What a library prints must not get among the questions.


def evaluate(params: dict[str, float], epochs: float) -> float:
    """Return 1 less the validation accuracy of a configuration after so many epochs."""
    question = {"params": {name: float(params[name]) for name in TASK["space"]}, "epochs": float(epochs)}
    print(json.dumps(question), file=_out, flush=True)
    answer = sys.stdin.readline()
    if not answer:
        raise SystemExit  # The race is over.
    return 1.0 - float(json.loads(answer)["score"])
