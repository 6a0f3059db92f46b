"""SIGINT and SIGTERM at any moment: the search says how to go on, leaves nothing behind, and goes on."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def alive(family: set[int]) -> set[int]:
    """Those of the processes that are still there, zombies included."""
    return {pid for pid in family if Path(f"/proc/{pid}").exists()}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_says_how_to_go_on_and_leaves_nothing_behind(
    program: Any, faults: Any, started: Callable[..., Any], number: signal.Signals, code: int
) -> None:
    name = f"interrupted-{code}"
    running = started(*faults.arguments, "--name", name, "--set", "epochs=400")
    program.wait_for(lambda: (program.storage / name / "trials" / "t0000" / "result.json").exists())
    family = program.family(running.pid)
    assert faults.workers(running.pid)
    begun = time.monotonic()
    running.send_signal(number)
    assert running.wait(timeout=300) == code
    print(f"left {time.monotonic() - begun:.1f} s after {number.name}")
    output = program.output.read_text()
    assert f"interrupted; resume with: python run_search.py --resume {name}" in output
    assert "Traceback" not in output
    program.wait_for(lambda: not alive(family))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_ray_starts_there_is_nothing_to_go_on_with_yet(
    program: Any, faults: Any, started: Callable[..., Any], number: signal.Signals
) -> None:
    running = started(*faults.arguments, "--name", f"early-{number.name}")
    program.wait_for(lambda: any("gcs_server" in program.title(pid) for pid in program.family(running.pid)))
    family = program.family(running.pid)
    running.send_signal(number)
    assert running.wait(timeout=300) == 128 + number
    output = program.output.read_text()
    assert "interrupted; nothing has been written yet" in output
    assert "Traceback" not in output
    assert not (program.storage / f"early-{number.name}").exists()
    program.wait_for(lambda: not alive(family))


@pytest.mark.slow
def test_a_second_signal_leaves_at_once(program: Any, faults: Any, started: Callable[..., Any]) -> None:
    running = started(*faults.arguments, "--name", "twice", "--set", "epochs=400")
    program.wait_for(lambda: (program.storage / "twice" / "trials" / "t0000" / "result.json").exists())
    family = program.family(running.pid)
    running.send_signal(signal.SIGINT)
    begun = time.monotonic()
    while running.poll() is None:  # Python merges signals that come faster than it handles them
        time.sleep(0.2)
        running.send_signal(signal.SIGINT)
    assert running.returncode == 130
    print(f"left {time.monotonic() - begun:.1f} s after the first SIGINT")
    output = program.output.read_text()
    assert "interrupted" not in output  # which it says at the end of an orderly exit
    assert "Traceback" not in output
    program.wait_for(lambda: not alive(family))
