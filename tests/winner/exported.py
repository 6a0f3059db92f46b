"""What is exported of a made-up search."""

from pathlib import Path
from typing import Any

from tune_s11.results import load_search
from tune_s11.winner import read_best
from tune_s11.winner.export import Exported, export


def export_from(path: Path, kind: Any) -> Exported:
    return export(read_best(load_search(str(path), path.parent)), kind, path / "best" / "export")


def left(path: Path) -> list[str]:
    return sorted(file.name for file in (path / "best" / "export").iterdir())
