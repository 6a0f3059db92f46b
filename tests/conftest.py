"""Fixtures of all tests: a cache of their own, one thread, real searches; CIFAR-10 and a browser where there are."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tune_s11.storage.remote import Remote

# Another program's load is no failure, and a test run says the same each time; new examples are sought on purpose, with
# `pytest --hypothesis-profile new-examples`.
settings.register_profile("new-examples", deadline=None)
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


ROOT = Path(__file__).parents[1]

TINY = """
recipe: {dataset: digits, image_size: 8, val_fraction: 0.2, width: 4, epochs: 6, peak_epoch: 2, batch_size: 64,
         pad: 1, cutout: 2, flip: false}
space:
  max_lr: range_test
  min_lr_fraction: {loguniform: [0.0001, 0.2]}
  momentum: {uniform: [0.8, 0.98]}
search: {samples: 6, grace: 2, factor: 2, lr_range_steps: 40, lr_range_seeds: 2, lr_range_trials: 1,
         finalists: 2, finalist_seeds: 2, refit_seeds: 2}
refit: {width: 6}
"""


class Program:
    """``run_search.py`` with its results in a folder of the test's."""

    def __init__(self, folder: Path) -> None:
        self.storage = folder / "results"
        self.output = folder / "output"
        self.script = [str(ROOT / "run_search.py")]
        self.space = folder / "tiny.yaml"
        self.space.write_text(TINY)
        self.environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, *self.script, "--storage", str(self.storage), "--no-report", *arguments]

    def run(self, *arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, env=self.environment | environment, timeout=560
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        # Into a file: processes that outlive a killed driver would keep a pipe open.
        with self.output.open("w") as output:
            return subprocess.Popen(
                self.command(*arguments), stdout=output, stderr=subprocess.STDOUT, text=True, env=self.environment
            )

    @staticmethod
    def family(pid: int) -> set[int]:
        """A process and all that it has started, and so on."""
        parents = {int(path.parent.name): _parent(path) for path in Path("/proc").glob("[0-9]*/stat")}
        family = {pid}
        while more := {child for child, parent in parents.items() if parent in family} - family:
            family |= more
        return family

    @staticmethod
    def title(pid: int) -> str:
        """A process's command line; empty once it has ended."""
        try:
            return Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            return ""

    def workers(self, pid: int, task: str) -> list[int]:
        """Processes of a search that run a task or an actor of this name, or are about to."""
        return sorted(each for each in self.family(pid) if self.title(each).startswith(f"ray::{task}"))

    @staticmethod
    def wait_for(condition: Callable[[], bool], seconds: float = 300.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)


class S3Server:
    """A real S3 server on loopback: moto's, in a process and an environment of its own.

    It answers at ``endpoint`` from :meth:`start` to :meth:`stop`, and forgets all then.

    Attributes:
        environment: What a client needs to find it and be let in.
    """

    BUCKET = "bucket"

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "key-of-the-test",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        requirements = str(Path(__file__).with_name("s3_server.txt"))
        command = ["uv", "run", "--quiet", "--isolated", "--no-project", "--python", sys.executable]
        self._process = subprocess.Popen(
            [*command, "--with-requirements", requirements, "moto_server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # uv has the server as a child
        )
        deadline = time.monotonic() + 120  # it may have to be installed
        while True:
            try:
                self.request("PUT", f"/{self.BUCKET}")
                return
            except OSError:
                assert self._process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        asked = urllib.request.Request(
            self.endpoint + path, data=body, method=method, headers={"Content-Type": "text/plain"}
        )
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return bytes(answer.read())

    def pause(self) -> None:
        """From here on nobody answers, until :meth:`resume`; what is stored stays."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, number)


def _parent(stat: Path) -> int:
    try:
        return int(stat.read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has just ended
        return 0


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two processes for the whole default suite; none for chosen files, or for tests that take all of a machine."""
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    return 2 if everything and "not landing" in config.option.markexpr else 0


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def as_without_uv() -> Iterator[None]:
    """Commands to type next read the same, however the tests were started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for one another on a busy machine cost more than they bring; programs with several sleep."""
    import torch  # not by the process that hands out tests and runs none

    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOMP_SPINCOUNT", "0")  # a step beside another search can take forty times as long otherwise
        yield


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(tmp_path_factory.mktemp("search"))


@pytest.fixture
def reaped(program: Program) -> Iterator[Callable[[Any], Any]]:
    """Takes a process and hands it back; whatever is left of it and its family at the end of the test is killed."""
    begun: list[Any] = []
    yield lambda process: begun.append(process) or process
    for process in begun:
        for pid in program.family(process.pid) if process.poll() is None else ():
            os.kill(pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A real S3 server; needs uv, which fetches it."""
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    server = S3Server()
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server
    server.stop()


@pytest.fixture
def storage(s3: S3Server) -> Remote:
    """An empty place on the S3 server, of the test's own."""
    return Remote(f"s3://{s3.BUCKET}/{uuid.uuid4().hex}")


@pytest.fixture
def on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Called with a machine's name: what follows happens there."""
    return lambda machine: monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / machine))


@pytest.fixture(scope="session")
def cifar10_dir() -> Path:
    """Real CIFAR-10 as an image folder, whole or in part; the variable CIFAR10_DIR says where."""
    folder = os.environ.get("CIFAR10_DIR")
    if not folder:
        pytest.skip("CIFAR10_DIR is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Any) -> Iterator[Any]:
    """A page of its own; an error of any script on it fails the test."""
    with chromium.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        assert errors == []
