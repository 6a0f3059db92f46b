"""The LR range test of a search, as ``lr_range.json`` holds it: read and written here alone."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tune_s11.config import InputError
from tune_s11.lr_range.bounds import LRBounds, find_bounds
from tune_s11.lr_range.curve import LRCurve
from tune_s11.lr_range.suggestions import SUGGESTIONS
from tune_s11.storage.files import write_whole


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

    @staticmethod
    def of(curve: LRCurve) -> "RangeTest":
        """What follows from a curve.

        Raises:
            InputError: It says nothing.
        """
        return RangeTest(curve, {name: rule(curve) for name, rule in SUGGESTIONS.items()}, find_bounds(curve))

    def write(self, path: Path) -> None:
        """Writes the file."""
        plain = {"curve": self.curve.to_dict(), "suggestions": self.suggestions, "bounds": asdict(self.bounds)}
        write_whole(path, json.dumps(plain, indent=1))


def read_range_test(path: Path) -> RangeTest:
    """Reads the file.

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
