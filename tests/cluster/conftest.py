"""Ray clusters on this machine: nodes that come and go, and machines that are network namespaces."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from psutil import NoSuchProcess, Process, ZombieProcess

SCRIPTS = Path(sys.executable).parent

NODES = """
import sys
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "dashboard_port": 0, "include_dashboard": True})
nodes = {}
print(cluster.address, flush=True)
for line in sys.stdin:
    command, name = line.split()
    if command == "add":
        nodes[name] = cluster.add_node(num_cpus=1)
    else:
        cluster.remove_node(nodes.pop(name), allow_graceful=False)
        cluster.wait_for_nodes(timeout=120)  # until Ray has noticed
    print("done", flush=True)
cluster.shutdown()
"""


def with_token(home: Path) -> dict[str, str]:
    """Environment of a cluster that wants the token in this home."""
    environment = {"HOME": str(home), "RAY_AUTH_MODE": "token", "PATH": f"{SCRIPTS}:{os.environ['PATH']}"}
    home.mkdir(exist_ok=True)
    subprocess.run(
        ["ray", "get-auth-token", "--generate"], env=os.environ | environment, check=True, capture_output=True
    )
    return environment


class Nodes:
    """A head and nodes beside it, all on this machine, of one CPU each, with a token.

    Attributes:
        address: Of the cluster.
        environment: Of those who join it.
    """

    def __init__(self, folder: Path) -> None:
        # Niceness as in local searches; Ray's default, 15, starves the workers beside another test.
        settings = {"RAY_TMPDIR": str(folder), "RAY_worker_niceness": "0"}
        self.environment = os.environ | with_token(folder / "home") | settings
        for _ in range(3):  # Ray gives its parts half a minute to start, which on a busy machine may be too short
            self._process = subprocess.Popen(
                [sys.executable, "-c", NODES],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=self.environment,
            )
            if answer := self._answer():
                break
        assert answer, "Ray does not start"
        self.address = answer

    def add(self, name: str) -> None:
        self._tell(f"add {name}")

    def remove(self, name: str) -> None:
        """At once, as a machine that loses its power."""
        self._tell(f"remove {name}")

    def busy_with(self, task: str) -> int:
        """How many workers of the cluster run a task of this name."""

        def runs(process: Process) -> bool:
            try:
                return process.cmdline()[:1] == [f"ray::{task}"]
            except (NoSuchProcess, ZombieProcess):  # it has just ended
                return False

        return sum(map(runs, Process(self._process.pid).children(recursive=True)))

    def end(self) -> None:
        self._process.communicate("", timeout=120)

    def _tell(self, command: str) -> None:
        assert self._process.stdin is not None
        print(command, file=self._process.stdin, flush=True)
        assert self._answer() == "done"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A cluster of a head alone."""
    # Sockets must have short paths; Ray's last processes may still write into the folder while it is removed.
    with tempfile.TemporaryDirectory(prefix="s11-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        cluster = Nodes(Path(folder))
        yield cluster
        cluster.end()


class Machine:
    """A network namespace with an address, processes, a host name and a /tmp/ray of its own; /mnt is shared.

    Whatever runs on it ends with it, by the kernel's doing: it is a namespace of processes too.

    Attributes:
        address: In the network of all machines.
        host: Its name.
    """

    def __init__(
        self, name: str, switch: str, address: str, folder: Path, mnt: Path, environment: dict[str, str]
    ) -> None:
        self.address, self.host, self._switch, self._environment = address, name, switch, environment
        self._own, self._mnt = folder / name, mnt
        self._power: subprocess.Popen[str] | None = None

    def power_on(self) -> None:
        name, switch = self.host, self._switch
        self._own.mkdir()
        ip("netns", "add", name)
        ip("link", "add", name, "netns", switch, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("-n", switch, "link", "set", name, "master", "bridge", "up")
        ip("-n", name, "address", "add", f"{self.address}/24", "dev", "eth0")
        for link in ("eth0", "lo"):
            ip("-n", name, "link", "set", link, "up")
        ip("-n", name, "route", "add", "default", "dev", "eth0")  # without one Ray takes 127.0.0.1 for its address
        mounts = f"hostname {name} && mount --bind {self._own} /tmp/ray && mount --bind {self._mnt} /mnt"
        self._power = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", name),  # ends with the tests
                *("unshare", "--pid", "--uts", "--fork", "--mount-proc", "--kill-child"),  # and all that runs on it too
                # Bash, as the first process of its namespace, waits for orphans. Nobody would otherwise, and `ray stop`
                # takes zombies for processes that do not stop.
                *("bash", "-c", f"{mounts} && echo up; sleep infinity & wait"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._power.stdout is not None
        assert self._power.stdout.readline() == "up\n"
        children = Path(f"/proc/{self._power.pid}/task/{self._power.pid}/children")
        self._first = children.read_text().strip()

    def start(self, script: str, output: Path, cwd: Path | None = None) -> "subprocess.Popen[str]":
        """Runs a shell script on it, its output into a file."""
        enter = ["nsenter", "--target", self._first, "--net", "--mount", "--pid", "--uts"]
        with output.open("w") as file:
            return subprocess.Popen(
                [*enter, f"--wd={cwd or '/'}", "bash", "-euc", script],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                env=self._environment,
            )

    def run(self, script: str, output: Path, cwd: Path | None = None, code: int = 0) -> str:
        """Runs a shell script on it to its end; returns its output."""
        running = self.start(script, output, cwd)
        assert running.wait(timeout=300) == code, output.read_text()
        return output.read_text()

    def plug(self, state: str) -> None:
        """Puts its cable in (``up``) or pulls it (``down``)."""
        ip("-n", self._switch, "link", "set", self.host, state)

    def power_off(self) -> None:
        if self._power is not None:
            self._power.kill()
            self._power.wait()
            assert self._power.stdout is not None
            self._power.stdout.close()


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


class Network:
    """Machines on one switch, 10.77.0.1 the first, that share a folder as /mnt.

    Attributes:
        mnt: The folder.
        environment: Of all that runs on them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self.mnt = folder, folder / "mnt"
        self.mnt.mkdir()
        self.environment = os.environ | with_token(folder / "home")
        self._prefix = f"s11-{os.getpid()}-"
        self._names = [f"{self._prefix}{number}" for number in range(10)]
        self._machines: list[Machine] = []

    def begin(self) -> None:
        Path("/tmp/ray").mkdir(exist_ok=True)
        ip("netns", "add", self._names[0])
        ip("-n", self._names[0], "link", "add", "bridge", "type", "bridge")
        ip("-n", self._names[0], "link", "set", "bridge", "up")

    def machine(self, mnt: Path | None = None, **environment: str) -> Machine:
        """Another one, with a folder of its own as /mnt where one is given."""
        number = len(self._machines) + 1
        name, address = self._names[number], f"10.77.0.{number}"
        whole = self.environment | environment
        self._machines.append(Machine(name, self._names[0], address, self._folder, mnt or self.mnt, whole))
        self._machines[-1].power_on()
        return self._machines[-1]

    def end(self) -> None:
        for machine in self._machines:
            machine.power_off()
        for name in self._names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    if os.geteuid() != 0 or any(shutil.which(tool) is None for tool in ("ip", "unshare", "nsenter", "setpriv")):
        pytest.skip("needs root, iproute2 and util-linux")
    made = Network(tmp_path)
    try:
        made.begin()
        yield made
    finally:
        made.end()
