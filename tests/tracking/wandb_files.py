"""Reads what W&B's library has written offline, by its own protocol buffers."""

import json
import struct
from pathlib import Path
from typing import Any

from tune_s11.results import SearchFolder

BLOCK, HEAD = 1 << 15, 7
WHOLE, FIRST, LAST = 1, 2, 4


def wandb_records(file: Path) -> list[Any]:
    """The records of a file: the format of LevelDB's log after a header of seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, position, parts, records = file.read_bytes(), HEAD, b"", []
    while position + HEAD <= len(content):
        left = BLOCK - position % BLOCK
        if left < HEAD:
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        parts = (b"" if kind in (WHOLE, FIRST) else parts) + content[position + HEAD : position + HEAD + length]
        if kind in (WHOLE, LAST):
            record = Record()
            record.ParseFromString(parts)
            records.append(record)
        position += HEAD + length
    return records


def wandb_run(files: list[Path]) -> dict[str, Any]:
    """A run's fields, its epochs and its summary, over all sessions."""
    run: dict[str, Any] = {"steps": [], "summary": {}, "config": {}, "exit": None, "preempted": False}
    for record in (each for file in sorted(files) for each in wandb_records(file)):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run |= {"name": record.run.display_name, "group": record.run.run_group, "project": record.run.project}
            run |= {"kind": record.run.job_type, "preempted": False}
            run["config"] |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        elif kind == "history":
            row = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
            run["steps"].append(row["_step"])
        elif kind == "summary":
            run["summary"] |= {i.key or i.nested_key[0]: json.loads(i.value_json) for i in record.summary.update}
        elif kind == "preempting":
            run["preempted"] = True
        elif kind == "exit":
            run["exit"] = record.exit.exit_code
    return run


def wandb_runs(folder: SearchFolder) -> dict[str, dict[str, Any]]:
    """By name."""
    files: dict[str, list[Path]] = {}
    for file in folder.wandb.glob("offline-run-*/*.wandb"):
        files.setdefault(file.name, []).append(file)
    runs = [wandb_run(each) for each in files.values()]
    assert len({run["name"] for run in runs}) == len(runs)
    return {run["name"]: run for run in runs}
