"""Goals for a benchmark's last line of output: measured values, and whether they meet the goals."""

from collections.abc import Collection, Mapping
from typing import Any, TypedDict


class Goal(TypedDict):
    """A measured value and its goal."""

    value: float
    goal: float
    met: bool


def at_least(value: float, goal: float, digits: int = 3) -> Goal:
    """Return the goal of a value that must be at least ``goal``; the value is rounded only after the comparison."""
    return {"value": round(value, digits), "goal": goal, "met": value >= goal}


def at_most(value: float, goal: float, digits: int = 3) -> Goal:
    """Return the goal of a value that must be at most ``goal``."""
    return {"value": round(value, digits), "goal": goal, "met": value <= goal}


def judged(goals: Mapping[str, Goal], stretch: Collection[str] = ()) -> dict[str, Any]:
    """Return ``met`` and ``goals``; those named in ``stretch`` do not count towards ``met``."""
    return {"met": all(goal["met"] for name, goal in goals.items() if name not in stretch), "goals": dict(goals)}
