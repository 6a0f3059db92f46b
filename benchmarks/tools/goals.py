"""The last line of a benchmark: its goals, what was measured, and whether they were met."""

from collections.abc import Collection, Mapping
from typing import Any, TypedDict


class Goal(TypedDict):
    """One measure beside what it is to be."""

    value: float
    goal: float
    met: bool


def at_least(value: float, goal: float, digits: int = 3) -> Goal:
    """A measure that is to be ``goal`` or more; it is rounded to be shown, not to be judged."""
    return {"value": round(value, digits), "goal": goal, "met": value >= goal}


def at_most(value: float, goal: float, digits: int = 3) -> Goal:
    """A measure that is to be ``goal`` or less."""
    return {"value": round(value, digits), "goal": goal, "met": value <= goal}


def judged(goals: Mapping[str, Goal], stretch: Collection[str] = ()) -> dict[str, Any]:
    """``met`` and ``goals``; those that are a ``stretch`` do not count towards ``met``."""
    return {"met": all(goal["met"] for name, goal in goals.items() if name not in stretch), "goals": dict(goals)}
