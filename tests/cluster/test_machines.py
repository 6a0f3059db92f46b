"""Machines with addresses of their own, some of which are cut off, die, or come late: nothing is lost."""

import os
import shlex
from collections import Counter
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tune_s11.results import SearchResult, load_search

pytestmark = pytest.mark.netns

SMALL = "--num-cpus 1 --object-store-memory 80000000 --disable-usage-stats"
IMPATIENT = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "4000",
    "RAY_health_check_failure_threshold": "3",
}
"""So that a machine that is cut off is given up after a quarter of a minute, and not after a whole one."""

NETS = {"PYTHONPATH": f"/mnt:{os.environ.get('PYTHONPATH', '')}"}
"""Where a network of the test's own lies, on every machine."""


SLOW = """
import time
from tune_s11.models import S11ResNet

class Slow(S11ResNet):
    def forward(self, images):
        if self.training:
            time.sleep(0.02)
        return super().forward(images)

build = Slow
"""
"""Trials that take their time on a machine that has nothing else to do, too: half a second an epoch."""


def head(network):
    machine = network.machine(**IMPATIENT, **NETS)
    start = f"ray start --head --node-ip-address {machine.address} --port 6379 --include-dashboard false {SMALL}"
    machine.run(start, network.mnt / "head.log")
    return machine


def worker(network, mnt: Path | None = None):
    machine = network.machine(mnt, **IMPATIENT, **NETS)
    start = f"ray start --address 10.77.0.1:6379 --node-ip-address {machine.address} {SMALL}"
    machine.run(start, network.mnt / "worker.log")
    return machine


def reports(search: Path) -> Counter[str]:
    """By host, how often trials have reported from there."""
    trials = load_search(str(search), search.parent).trials if (search / "search.yaml").exists() else []
    return Counter(span.worker.partition(":")[0] for trial in trials for span in trial.spans)


def check_that_nothing_is_lost(search: SearchResult, samples: int) -> None:
    storage = JournalStorage(JournalFileBackend(str(search.path / "study.log")))
    study = optuna.load_study(study_name="tune_s11", storage=storage)
    assert [trial.name for trial in search.trials] == [f"t{number:04d}" for number in range(samples)]
    assert {frozen.state.name for frozen in study.trials} <= {"COMPLETE", "PRUNED"}
    for frozen, trial in zip(study.trials, search.trials, strict=True):
        epochs = [epoch.epoch for epoch in trial.rows]
        assert epochs == list(range(1, len(epochs) + 1))
        assert frozen.intermediate_values == {epoch.epoch: epoch.ema_val_accuracy for epoch in trial.rows}
    assert search.refit is not None


def test_one_is_cut_off_one_dies_one_comes_late(network, program) -> None:
    first, cut, dying = head(network), worker(network), worker(network)
    results = network.mnt / "results"
    folder = results / "stormy"
    (network.mnt / "slow_net.py").write_text(SLOW)
    rungs = ("--set", "epochs=60", "--set", "search.grace=20", "--set", "search.factor=2", "--samples", "8")
    less = ("--lr-bounds", "0.01", "0.2", "--set", "search.finalists=0", "--set", "search.refit_seeds=1")
    slow = ("--model", "slow_net:build", "--set", "refit.epochs=3", "--address", "10.77.0.1:6379")
    command = program.command("--space", str(program.space), "--name", "stormy", *rungs, *less, *slow)
    command[command.index("--storage") + 1] = "/mnt/results"
    output = network.mnt / "search.log"
    running = first.start(shlex.join(command), output)

    hosts = {machine.host for machine in (first, cut, dying)}
    program.wait_for(lambda: set(reports(folder)) == hosts)
    cut.plug("down")
    dying.power_off()
    late = worker(network)
    program.wait_for(lambda: reports(folder)[late.host] > 0)
    cut.plug("up")
    assert running.wait(timeout=240) == 0, output.read_text()
    assert "resumes from its last checkpoint" in output.read_text()
    check_that_nothing_is_lost(load_search("stormy", results), 8)


def test_a_folder_that_a_node_does_not_see_is_refused(network, program, tmp_path: Path) -> None:
    apart = tmp_path / "apart"
    apart.mkdir()
    first, other = head(network), worker(network, apart)
    command = program.command("--space", str(program.space), "--name", "apart", "--address", "auto")
    command[command.index("--storage") + 1] = "/mnt/results"
    line = first.run(shlex.join(command), network.mnt / "search.log", code=2)
    assert line.count("\n") == 1
    assert f"--storage /mnt/results: node {other.address} cannot see this folder; on a cluster" in line
    assert list(apart.iterdir()) == []
    assert {file.suffix for file in network.mnt.iterdir()} == {".log"}
