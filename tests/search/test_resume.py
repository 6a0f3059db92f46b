"""A search whose driver is killed ends, taken up again, as if it had not been."""

import signal

import pytest
from optuna.trial import TrialState

from tune_s11.results import load_search
from tune_s11.search.study import open_study


@pytest.mark.slow
def test_kill_and_resume(program) -> None:
    folder = program.storage / "killed"
    # Trials of several seconds even on a fast machine, so that the kill meets some in the middle.
    long = ("--set", "epochs=160", "--set", "search.grace=80", "--lr-bounds", "0.01", "0.2")
    short = ("--set", "search.finalists=0", "--set", "refit.epochs=6")  # what comes after the trials
    running = program.start("--space", str(program.space), "--name", "killed", *long, *short)

    def some_have_ended() -> bool:
        return folder.exists() and sum(t.state != "running" for t in load_search("killed", program.storage).trials) >= 2

    program.wait_for(lambda: (folder / "trials" / "t0000" / "params.json").exists())
    program.wait_for(some_have_ended)
    running.send_signal(signal.SIGKILL)
    running.wait()
    before = {trial.number: trial for trial in load_search("killed", program.storage).trials}
    ended = {number: trial for number, trial in before.items() if trial.state != "running"}
    assert len(ended) < 6

    program.run("--resume", "killed")
    search = load_search("killed", program.storage)
    assert [trial.number for trial in search.trials] == list(range(6))
    assert all(trial.state in {"complete", "pruned", "diverged"} for trial in search.trials)
    for number, trial in ended.items():
        assert search.trials[number] == trial
    for trial in search.trials:
        assert [row["epoch"] for row in trial.rows] == list(range(1, trial.epoch + 1))
    states = [trial.state for trial in open_study(folder / "study.log", search.config.search).trials]
    assert len(states) == 6
    assert set(states) <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert search.refit is not None
