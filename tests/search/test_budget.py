"""A budget leaves time for what comes after the trials."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from optuna.trial import TrialState

from tests.search.test_forecast import PACE, REPORT, forecast
from tune_s11.results import load_search
from tune_s11.search import budget as budget_module
from tune_s11.search.budget import Budget
from tune_s11.search.forecast import MARGIN
from tune_s11.search.study import open_study

NOW = 1000.0


@pytest.fixture
def _still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_module, "time", SimpleNamespace(monotonic=lambda: NOW))


@pytest.mark.usefixtures("_still_clock")
def test_it_leaves_time_for_finalists_refits_and_report() -> None:
    needed = MARGIN * (30.0 + 20.0 + REPORT)
    assert not Budget(NOW + needed + 0.01, forecast(), lambda _: 0).stop_all()
    assert Budget(NOW + needed - 0.01, forecast(), lambda _: 0).stop_all()
    slower = Budget(NOW + needed + 0.01, forecast(), lambda _: 0)
    assert slower("t0000", {"epochs": [{"seconds": 2 * PACE.epoch}]}) is False
    assert slower.stop_all()


@pytest.mark.usefixtures("_still_clock")
def test_it_leaves_time_for_the_finalists_for_which_there_is_room_and_one_more() -> None:
    """Two epochs make room for a finalist; two finalists are the fewest that are run again."""
    by_room = forecast(finalists=(0.0, 0.0, 100.0, 200.0))
    budget = Budget(NOW + MARGIN * (50.0 + 20.0 + REPORT), by_room, lambda epochs: epochs // 2)
    assert not budget.stop_all()
    budget("t0000", {"epochs": [{"seconds": PACE.epoch}] * 2})
    assert budget.stop_all()


@pytest.mark.slow
def test_a_budget_that_is_too_small(program) -> None:  # type: ignore[no-untyped-def]
    refused = program.run("--space", str(program.space), "--name", "hasty", "--budget", "5s", code=2)
    assert refused.stderr.startswith("error: --budget 5 s: must be at least ")
    assert not (program.storage / "hasty").exists()


SPENT = """
from tune_s11.cli.main import run_search
from tune_s11.search.budget import Budget
Budget.stop_all = lambda budget: len(budget._epochs) >= 100
run_search()
"""
"""The program with a budget that is spent after a hundred epochs, however fast the machine is."""


@pytest.mark.slow
def test_a_budget_that_is_spent_leaves_a_winner_and_what_a_resume_needs(program, tmp_path) -> None:  # type: ignore[no-untyped-def]
    script = tmp_path / "spent.py"
    script.write_text(SPENT)
    many = ("--samples", "2000", "--set", "epochs=40", "--set", "search.grace=20", "--budget", "9h")
    _, _, *arguments = program.command("--space", str(program.space), "--name", "brief", *many)
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=program.environment, timeout=560)
    assert done.returncode == 0, done.stdout + done.stderr
    search = load_search("brief", program.storage)
    assert search.refit is not None
    unfinished = [trial for trial in search.trials if trial.state == "running"]
    ended = len(search.trials) - len(unfinished)
    assert f"the budget ends the trials: {ended} of 2000 have finished\n" in done.stdout
    again = f"python run_search.py --resume brief --storage {program.storage}"
    assert f"to run the remaining trials: {again}\n" in done.stdout
    states = [trial.state for trial in open_study(search.path / "study.log", search.config.search).trials]
    assert states.count(TrialState.RUNNING) == len(unfinished)
    kept = {folder.parent.name for folder in search.path.glob("trials/t*/checkpoint_*")}
    assert {trial.name for trial in unfinished if trial.epoch > 20} <= kept <= {trial.name for trial in unfinished}
