"""The lines that sum up a search."""

from typing import Any

from tune_s11.cli.outcome import search_lines

SEARCH = {"name": "mine", "started": 3, "samples": 8, "weights": "EMA weights"}


def numbers(**parts: Any) -> dict[str, Any]:
    return {"search": SEARCH, "winner": None, "test": None, "target": None} | parts


def test_before_there_is_a_winner() -> None:
    assert search_lines(numbers()) == ["mine: no winner yet, 3 of 8 trials started"]


def test_winner_test_accuracy_and_target() -> None:
    found = numbers(
        winner={"trial": "t0002", "score": 0.91234},
        test={"accuracy": {"mean": 0.9, "sd": 0.01, "n": 3}},
        target={"line": 0.9, "validation": 12, "test": None},
    )
    assert search_lines(found) == [
        "mine: t0002, validation accuracy 0.9123 (EMA weights)",
        "test accuracy: 0.9000 ± 0.0100 (n = 3, EMA weights)",
        "target 0.9, validation accuracy of the EMA weights: first reached in epoch 12",
        "target 0.9, test accuracy of the EMA weights: not reached",
    ]
