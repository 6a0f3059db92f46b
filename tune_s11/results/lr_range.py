"""Reads and writes ``lr_range.json``, the LR range test of a search; no other module does."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tune_s11.config import InputError
from tune_s11.lr_range.bounds import LRBounds, bounds_of, falls
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.cycles import Cycle, Outcome
from tune_s11.lr_range.rule import Answer
from tune_s11.lr_range.suggestions import SUGGESTIONS
from tune_s11.storage.files import read_lines, write_lines, write_whole


@dataclass(frozen=True)
class RangeTest:
    """A finished range test.

    Attributes:
        curve: Curve of the ramps; None if the test did not look for ``min_lr``.
        suggestions: Learning rate by the name of the rule that reads it off the ramps; empty if they suggest nothing.
        bounds: Recommended values for ``max_lr`` and ``min_lr``.
        cycles: Short cycles that the bounds follow from; empty in tests of earlier versions, which trained none.
    """

    curve: LRCurve | None
    suggestions: dict[str, float]
    bounds: LRBounds
    cycles: Mapping[Cycle, Outcome] = field(default_factory=dict)

    @staticmethod
    def of(
        curve: LRCurve | None, cycles: Mapping[Cycle, Outcome], answer: Answer, min_lr_fraction: float
    ) -> "RangeTest":
        """Build the test from its ramps, its cycles and the rule's answer.

        Args:
            curve: Curve of the ramps; None if the test did not look for ``min_lr``.
            cycles: Cycles that were trained.
            answer: Answer of the rule to the cycles.
            min_lr_fraction: The recipe's ``min_lr_fraction``.
        """
        suggestions: dict[str, float] = {}
        if curve is not None and falls(curve):
            suggestions = {name: rule(curve) for name, rule in SUGGESTIONS.items()}
        return RangeTest(curve, suggestions, bounds_of(answer, curve, min_lr_fraction), cycles)

    def write(self, path: Path) -> None:
        """Write the file."""
        plain = {
            "curve": None if self.curve is None else self.curve.to_dict(),
            "suggestions": self.suggestions,
            "bounds": asdict(self.bounds),
            "cycles": _rows(self.cycles),
        }
        write_whole(path, json.dumps(plain, indent=1))


def read_range_test(path: Path) -> RangeTest:
    """Read the file.

    Raises:
        InputError: The file is missing or damaged.
    """
    try:
        plain = json.loads(path.read_text("utf-8"))
        curve = None if plain["curve"] is None else LRCurve.from_dict(plain["curve"])
        suggestions = {str(name): float(lr) for name, lr in plain["suggestions"].items()}
        bounds, cycles = _BOUNDS.validate_python(plain["bounds"]), _cycles(plain.get("cycles", []))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: holds no range test ({type(error).__name__})") from None
    if curve is None and not cycles:
        raise InputError(f"{path}: holds no range test (neither ramps nor cycles)")
    return RangeTest(curve, suggestions, bounds, cycles)


def write_cycles(path: Path, cycles: Mapping[Cycle, Outcome]) -> None:
    """Write the cycles of a test in progress, one per line."""
    write_lines(path, _rows(cycles))


def read_cycles(path: Path) -> dict[Cycle, Outcome]:
    """Read the cycles of a test in progress; none if the file is missing. Damaged lines are skipped."""
    cycles: dict[Cycle, Outcome] = {}
    for row in read_lines(path):
        with suppress(KeyError, ValueError):
            cycles |= _cycles([row])
    return cycles


_BOUNDS, _CYCLE, _OUTCOME = TypeAdapter(LRBounds), TypeAdapter(Cycle), TypeAdapter(Outcome)


def _rows(cycles: Mapping[Cycle, Outcome]) -> list[dict[str, Any]]:
    return [
        {**asdict(cycle), "accuracy": outcome.accuracy, "loss": outcome.loss, "trained": outcome.epochs}
        for cycle, outcome in cycles.items()
    ]


def _cycles(rows: list[dict[str, Any]]) -> dict[Cycle, Outcome]:
    return {
        _CYCLE.validate_python({name: row[name] for name in ("epochs", "max_lr", "seed")}): _OUTCOME.validate_python(
            {"accuracy": row["accuracy"], "loss": row["loss"], "epochs": row["trained"]}
        )
        for row in rows
    }
