"""Reads ``lr_range.json``, as a search or ``python -m tune_s11.lr_finder`` writes it."""

import json
from dataclasses import dataclass
from pathlib import Path

from tune_s11.config import InputError
from tune_s11.lr_finder import LRBounds, LRCurve


@dataclass(frozen=True)
class RangeTest:
    """One range test.

    Attributes:
        curve: What was measured.
        suggestions: Learning rate by the name of the rule that suggests it.
        bounds: What follows for LRMAX and LRMIN.
    """

    curve: LRCurve
    suggestions: dict[str, float]
    bounds: LRBounds


def read_range_test(path: Path) -> RangeTest:
    """Reads one file.

    Raises:
        InputError: It is missing or damaged.
    """
    try:
        plain = json.loads(path.read_text())
        curve = LRCurve.from_dict(plain["curve"])
        suggestions = {str(name): float(lr) for name, lr in plain["suggestions"].items()}
        return RangeTest(curve, suggestions, LRBounds(**plain["bounds"]))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: holds no range test ({type(error).__name__})") from None
