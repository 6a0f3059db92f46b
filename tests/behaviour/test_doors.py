"""Who gets in: sockets on loopback only, an API that wants the token, a token that its owner alone can read."""

import contextlib
import ipaddress
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest


def listening(family: set[int]) -> list[str]:
    """Addresses on which processes listen."""
    sockets = {link for member in family for link in _open_files(member)}
    addresses = []
    for table, length in (("tcp", 4), ("tcp6", 16)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in sockets:
                words = bytes.fromhex(local.partition(":")[0])  # each of four bytes, the last one first
                packed = b"".join(words[k : k + 4][::-1] for k in range(0, length, 4))
                address = ipaddress.ip_address(packed)
                addresses.append(str(getattr(address, "ipv4_mapped", None) or address))
    return addresses


def _open_files(pid: int) -> list[str]:
    links = []
    with contextlib.suppress(OSError):  # it, or one of its files, has just been closed
        for path in Path(f"/proc/{pid}/fd").iterdir():
            links.append(os.readlink(path))
    return links


def status(url: str, token: str | None = None) -> int:
    """Of the answer to a request with the token, or without one."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


def stop(running: "subprocess.Popen[str]") -> None:
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=120) == 130


@pytest.mark.slow
def test_a_local_search_is_open_to_nobody_else(program) -> None:
    long = ("--set", "epochs=4000", "--lr-bounds", "0.01", "0.1")
    running = program.start("--space", str(program.space), "--name", "local", *long)
    folder = program.storage / "local"
    program.wait_for(lambda: (folder / "trials" / "t0000" / "params.json").exists())
    family = program.family(running.pid)
    names = {(Path("/proc") / str(pid) / "comm").read_text().strip() for pid in family}
    assert {"raylet", "gcs_server"} <= names
    addresses = listening(family)
    assert set(addresses) == {"127.0.0.1"}
    assert len(addresses) > 5

    file = Path.home() / ".ray" / "auth_token"
    assert file.stat().st_mode & 0o777 == 0o600
    token = file.read_text().strip()
    found = re.search(r"dashboard: (http://\S+)", program.output.read_text())
    assert found is not None
    for path in ("/nodes?view=summary", "/api/jobs/", "/api/v0/actors", "/api/cluster_status"):
        assert status(found[1] + path) == 401
        assert status(found[1] + path, "0" * len(token)) in {401, 403}
    assert status(found[1] + "/nodes?view=summary", token) == 200
    stop(running)
    assert token not in program.output.read_text()
    for written in folder.rglob("*"):
        assert written.is_dir() or token.encode() not in written.read_bytes(), written


@pytest.fixture
def tokened_cluster(program, tmp_path: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """A cluster as SECURITY.md has it started: its address, its dashboard's, and the environment of its users."""

    def free_port() -> str:
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            return str(door.getsockname()[1])

    environment = program.environment | {"HOME": str(tmp_path), "RAY_AUTH_MODE": "token"}
    ray = str(Path(sys.executable).with_name("ray"))
    subprocess.run([ray, "get-auth-token", "--generate"], env=environment, check=True, capture_output=True)
    port, dashboard = free_port(), free_port()
    head = [ray, "start", "--head", "--block", "--port", port, "--dashboard-port", dashboard, "--num-cpus", "2"]
    head += ["--node-ip-address", "127.0.0.1", "--include-dashboard", "true"]
    started = subprocess.Popen(head, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return status(f"http://127.0.0.1:{dashboard}/api/version") in {200, 401}
        return False

    program.wait_for(answers)
    yield f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}", environment
    started.terminate()
    started.wait(timeout=120)


@pytest.mark.slow
def test_a_cluster_started_as_documented_wants_the_token(program, tokened_cluster) -> None:
    address, dashboard, environment = tokened_cluster
    token = (Path(environment["HOME"]) / ".ray" / "auth_token").read_text().strip()
    assert status(f"{dashboard}/nodes?view=summary") == 401
    assert status(f"{dashboard}/nodes?view=summary", token) == 200
    short = ("--space", str(program.space), "--samples", "2", "--lr-bounds", "0.01", "0.1", "--no-asha")
    less = ("--set", "search.finalists=0", "--set", "search.refit_seeds=1", "--address", address)
    program.run("--name", "joined", *short, *less, **environment)
    assert (program.storage / "joined" / "best" / "metrics.json").exists()
