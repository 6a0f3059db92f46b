"""A search on a GPU: all trials compute there, share it where asked to, resume there, and come to what the CPU does."""

import signal

import pytest
import torch

from tune_s11.results import SearchResult, load_search

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use"),
]

QUICK = ("--space", "quick", "--samples", "2")


def devices(search: SearchResult) -> set[str]:
    return {trial.hardware.device for trial in search.trials if trial.hardware is not None}


def accuracy(search: SearchResult) -> float:
    assert search.refit is not None
    return search.refit.test_accuracy.mean


def test_a_search_on_a_gpu_is_as_accurate_as_on_the_cpu(program) -> None:
    found = {}
    for gpus, device in (("1", "cuda"), ("0", "cpu")):
        program.run(*QUICK, "--gpus", gpus, "--name", device)
        search = load_search(device, program.storage)
        assert devices(search) == {device}
        found[device] = accuracy(search)
    assert found["cuda"] == pytest.approx(found["cpu"], abs=0.02)


@pytest.mark.parametrize("share", ["2", "auto"])
def test_trials_share_a_gpu(program, share: str) -> None:
    done = program.run(*QUICK, "--gpus", "1", "--trials-per-gpu", share, "--name", "shared")
    assert ("trials per GPU: " in done.stdout) == (share == "auto")
    search = load_search("shared", program.storage)
    assert devices(search) == {"cuda"}
    assert len({span.gpu for trial in search.trials for span in trial.spans}) == 1


def test_an_interrupted_search_goes_on_on_the_gpu(program, reaped) -> None:
    running = reaped(program.start(*QUICK, "--gpus", "1", "--name", "stopped", "--set", "epochs=40"))
    program.wait_for(lambda: (program.storage / "stopped" / "trials" / "t0000" / "result.json").exists())
    running.send_signal(signal.SIGINT)
    assert running.wait(300) == 130
    program.run("--resume", "stopped", "--gpus", "1")
    search = load_search("stopped", program.storage)
    assert devices(search) == {"cuda"}
    assert {trial.state for trial in search.trials} <= {"complete", "pruned"}
    assert accuracy(search) > 0.9
