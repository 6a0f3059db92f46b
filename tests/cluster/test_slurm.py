"""cluster/slurm.sh, submitted to a real slurmctld, on two machines that are namespaces with a slurmd each."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tune_s11.results import load_search

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "cluster" / "slurm.sh"

CONF = """
ClusterName=tests
SlurmctldHost={first}({address})
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=60
MessageTimeout=90
BatchStartTimeout=90
{nodes}
PartitionName=main Nodes=ALL Default=YES State=UP
"""


class Slurm:
    """Two machines, the first of which has slurmctld as well.

    Attributes:
        mnt: What both see as /mnt.
    """

    def __init__(self, network: Any, folder: Path) -> None:
        self.mnt, self._folder = network.mnt, folder
        conf = folder / "slurm.conf"
        environment = {"SLURM_CONF": str(conf), "RAY_USAGE_STATS_ENABLED": "0", "USER": "root"}
        environment |= {"OMP_NUM_THREADS": "1"}
        self.machines = [network.machine(**environment) for _ in range(2)]
        self.environment = network.environment | environment
        first = self.machines[0]
        nodes = [f"NodeName={m.host} NodeAddr={m.address} CPUs=2 State=UNKNOWN" for m in self.machines]
        conf.write_text(CONF.format(first=first.host, address=first.address, folder=folder, nodes="\n".join(nodes)))
        # No cgroups are used, and a namespace's /sys has none; without this slurmd looks for them.
        (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        for name in ("state", *(f"spool-{machine.host}" for machine in self.machines)):
            (folder / name).mkdir()
        names = "".join(f"{m.address} {m.host}\n" for m in self.machines)
        (folder / "hosts").write_text(f"127.0.0.1 localhost\n{names}")
        self._running = [self._munge()]
        for machine in self.machines:
            (folder / f"tmp-{machine.host}").mkdir()
            temporary = f"mkdir -p /tmp/ray-root && mount --bind {folder}/tmp-{machine.host} /tmp/ray-root"
            machine.run(f"mount --bind {folder}/hosts /etc/hosts && {temporary}", folder / "mount.log")
        self._running.append(first.start("exec slurmctld -D", folder / "slurmctld.log"))
        for m in self.machines:
            self._running.append(m.start(f"exec slurmd -D -N {m.host}", folder / f"{m.host}.log"))

    def _munge(self) -> "subprocess.Popen[Any]":
        key = self._folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        files = [f"--{name}-file={self._folder / f'munge.{name}'}" for name in ("key", "log", "pid", "seed")]
        return subprocess.Popen(
            ["munged", "--foreground", "--force", f"--socket={self._folder}/munge.socket", "--num-threads=10", *files],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self, script: str) -> str:
        """On the first machine."""
        return str(self.machines[0].run(script, self._folder / "run.log", cwd=ROOT))

    def state_of(self, job: str) -> str:
        found = re.search(r"JobState=(\w+)", self.run(f"scontrol show job {job}"))
        assert found is not None
        return found[1]

    def raylets(self) -> list[str]:
        """Ray's processes on either machine, a line each."""
        shown = [machine.run("ps -eo etime,ppid,args", self._folder / "ps.log") for machine in self.machines]
        return [line for output in shown for line in output.splitlines() if "raylet/raylet " in line]

    def logs(self) -> str:
        """What tells why, where something went wrong."""
        return "".join(
            f"\n{file.name}\n{file.read_text()[-2000:]}"
            for file in (*self._folder.glob("*.log"), *self.mnt.glob("*.out"))
        )

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


@pytest.fixture
def slurm(network: Any) -> Iterator[Slurm]:
    missing = [tool for tool in ("slurmctld", "slurmd", "sbatch", "munged") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs Debian's slurm-wlm and munge: {', '.join(missing)} missing")
    # slurmstepd's sockets must have short paths.
    with tempfile.TemporaryDirectory(prefix="s11-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        made = Slurm(network, Path(folder))
        yield made
        made.end()


def wait_for(condition: Callable[[], bool], slurm: Slurm, seconds: float = 500.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, slurm.logs()
        time.sleep(0.5)


def reported(search: Path) -> bool:
    return any(search.glob("trials/t*/result.json"))


@pytest.mark.netns
@pytest.mark.timeout(1200)
def test_a_job_on_two_nodes_that_is_requeued_resumes_and_ends(slurm: Slurm) -> None:
    wait_for(lambda: slurm.run("sinfo --noheader --format '%D %t'").split() == ["2", "idle"], slurm)
    what = "--space quick --samples 4 --set epochs=8 --no-asha --lr-bounds 0.05 0.5 --set search.refit_seeds=1"
    job = slurm.run(
        f"sbatch --parsable --nodes=2 --output=/mnt/job.out {SCRIPT} /mnt/results slurm {what} -- --no-report"
    ).strip()
    search = slurm.mnt / "results" / "slurm"
    wait_for(lambda: reported(search) or slurm.state_of(job) not in {"PENDING", "RUNNING", "CONFIGURING"}, slurm)
    assert slurm.state_of(job) == "RUNNING", slurm.logs()
    slurm.run(f"scontrol requeue {job}")
    wait_for(lambda: slurm.state_of(job) == "PENDING", slurm)
    slurm.run(f"scontrol update JobId={job} StartTime=now")
    wait_for(lambda: slurm.state_of(job) in {"COMPLETED", "FAILED", "TIMEOUT", "NODE_FAIL"}, slurm)
    assert slurm.state_of(job) == "COMPLETED", slurm.logs()

    result = load_search("slurm", slurm.mnt / "results")
    assert [(trial.state, len(trial.rows)) for trial in result.trials] == [("complete", 8)] * 4
    assert result.refit is not None
    hosts = {span.worker.partition(":")[0] for trial in result.trials for span in trial.spans}
    assert hosts == {machine.host for machine in slurm.machines}
    # Slurm calls a job completed a moment before the last processes of its steps are gone.
    wait_for(lambda: not slurm.raylets(), slurm, 60.0)


@pytest.mark.netns
@pytest.mark.timeout(1200)
def test_a_search_that_is_refused_fails_the_job(slurm: Slurm) -> None:
    wait_for(lambda: slurm.run("sinfo --noheader --format '%D %t'").split() == ["2", "idle"], slurm)
    job = slurm.run(
        f"sbatch --parsable --nodes=1 --output=/mnt/job.out {SCRIPT} /mnt/results refused --space quick -- --gpus 4"
    ).strip()
    wait_for(lambda: slurm.state_of(job) in {"COMPLETED", "FAILED"}, slurm)
    assert slurm.state_of(job) == "FAILED", slurm.logs()
    assert "--gpus 4: there are 0" in (slurm.mnt / "job.out").read_text()
    assert not (slurm.mnt / "results" / "refused").exists()


STUBS = {
    "ray": "",
    "scontrol": '[[ $2 == hostnames ]] && echo here || echo "NodeName=here NodeAddr=127.0.0.1 State=MIXED"',
    "getent": 'echo "127.0.0.1 STREAM here"',
    "srun": 'printf "%s\\n" "$@"; for each; do [[ -f $each && ! -s $each ]] && echo started >"$each"; done; true',
    # Knows one search, which is in a storage of the name, of whichever kind that is.
    "tune-s11": '[[ "$*" == "report trials begun --storage "* ]]',
}
"""Commands of the script that do nothing, by name; ``srun`` prints what it is to run."""


@pytest.mark.parametrize("storage", ["/mnt/results", "s3://bucket/searches"])
@pytest.mark.parametrize("restarts", ["0", "1"])
@pytest.mark.parametrize(
    ("name", "begins"),
    [("begun", ["--resume", "begun"]), ("new", ["--name", "new", "--space", "quick", "--samples", "4"])],
)
def test_a_search_that_is_there_is_resumed_and_any_other_begun(
    tmp_path: Path, storage: str, restarts: str, name: str, begins: list[str]
) -> None:
    """A job may be submitted once more, and one that is requeued may have been stopped before the search was there."""
    for stub, script in STUBS.items():
        (tmp_path / stub).write_text(f"#!/usr/bin/env bash\n{script}\n")
        (tmp_path / stub).chmod(0o755)
    job = {"JOB_ID": "7", "JOB_USER": "me", "JOB_NODELIST": "here", "JOB_NUM_NODES": "1", "CPUS_ON_NODE": "2"}
    environment = {f"SLURM_{key}": value for key, value in (job | {"RESTART_COUNT": restarts}).items()}
    arguments = [storage, name, "--space", "quick", "--samples", "4", "--", "--gpus", "0"]
    done = subprocess.run(
        ["bash", str(SCRIPT), *arguments],
        env=os.environ | environment | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run = done.stdout.splitlines()
    searched = ["search", "--address", "auto", "--storage", storage, *begins, "--gpus", "0"]
    assert run[run.index("tune-s11") + 1 :] == searched
