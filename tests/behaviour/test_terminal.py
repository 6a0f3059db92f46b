"""A real search on a pseudo-terminal, narrow and without colours."""

import fcntl
import os
import pty
import struct
import subprocess
import termios

import pytest


@pytest.mark.slow
def test_a_search_on_a_narrow_terminal_without_colours(program) -> None:
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 60, 0, 0))
    environment = program.environment | {"NO_COLOR": "1", "TERM": "xterm"}
    command = program.command("--space", str(program.space), "--name", "watched")
    running = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    written = b""
    try:
        while more := os.read(ours, 65536):
            written += more
    except OSError:  # the program has left its terminal
        pass
    finally:
        os.close(ours)
    shown = written.decode()
    assert running.wait(timeout=300) == 0, shown
    for words in ("[start]", "[range test]", "[trials]", "[finalists]", "[refits]", " left", "rank at the last rung"):
        assert words in shown
    assert "\x1b[3" not in shown  # a colour
    assert shown.count("\x1b[?25h") == shown.count("\x1b[?25l")  # the cursor comes back as often as it goes
    last = shown[shown.rindex("best trials") :]
    assert " won " in last
    assert "next: " in last
