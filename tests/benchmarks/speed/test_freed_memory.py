"""Each side trains in a process of its own; speed and memory are taken over the default's of the same round."""

import pytest

from benchmarks.speed import freed_memory
from benchmarks.speed.freed_memory import SIDES, Used, main, measure

MIB = 2**20


def test_a_process_says_what_its_trials_used() -> None:
    used = measure("default", width=1, steps=1, trials=2)
    assert used.seconds > 0
    assert 100 * MIB < used.held_first <= used.held < 10_000 * MIB


def test_ratios_are_taken_within_a_round(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rounds = iter(
        [
            *(Used(0.2, 100 * MIB, 110 * MIB), Used(0.1, 150 * MIB, 160 * MIB), Used(0.2, 200 * MIB, 200 * MIB)),
            *(Used(0.6, 100 * MIB, 110 * MIB), Used(0.2, 150 * MIB, 160 * MIB), Used(0.6, 200 * MIB, 200 * MIB)),
        ]
    )
    asked: list[str] = []
    monkeypatch.setattr(freed_memory, "measure", lambda side, *_: asked.append(side) or next(rounds))
    main(width=4, rounds=2, steps=1, trials=9)
    assert asked == list(SIDES) * 2
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    kept = ["150 (100 to 200)", "2.50 (2.00 to 3.00)", "150 (150 to 150)", "1.50 (1.50 to 1.50)", "160 (160 to 160)"]
    assert rows[3].strip("| ").split(" | ") == ["kept", *kept]
