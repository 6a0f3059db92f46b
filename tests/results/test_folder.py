"""The names of all files: they are a format, which later versions read too."""

from pathlib import Path

import pytest

from tune_s11.results.folder import (
    CHECKPOINT_PREFIX,
    LAYOUT,
    RefitFolder,
    SearchFolder,
    SingleRunFolder,
    TrialFolder,
    attempt_name,
    checkpoint_file,
    checkpoint_folder,
    trial_name,
)
from tune_s11.storage.files import Below
from tune_s11.training.metrics import RunFolder

HERE = Path("here")

SEARCH = {
    "space": "search.yaml",
    "manifest": "manifest.json",
    "range_test": "lr_range.json",
    "range_test_cycles": "lr_range.jsonl",
    "study": "study.log",
    "trials": "trials",
    "unknown": "unknown",
    "audit": "audit.json",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "mlflow": "mlflow.db",
    "tracked": "tracked.jsonl",
    "verdict": "finalists.json",
    "finalists": "finalists",
    "lengths": "lengths.json",
    "length_runs": "lengths",
    "best": "best",
    "winner": "best/winner.json",
    "metrics": "best/metrics.json",
    "export": "best/export",
    "report": "report",
    "report_page": "report/index.html",
    "report_numbers": "report/report.json",
    "error": "error.txt",
}
TRIAL = {"params": "params.json", "reports": "result.json", "error": "error.txt", "recovered": "recovered.txt"}
RUN = {"metrics": "metrics.jsonl", "checkpoint": "checkpoint.pt"}
REFIT = RUN | {"test_curve": "test_curve.jsonl", "test_logits": "test_logits.npz", "scores": "scores.json"}
SINGLE_RUN = (
    REFIT | {name: SEARCH[name] for name in ("report", "report_page", "report_numbers")} | {"record": "run.json"}
)


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        (SearchFolder(HERE), SEARCH),
        (TrialFolder(HERE), TRIAL),
        (RunFolder(HERE), RUN),
        (RefitFolder(HERE), REFIT),
        (SingleRunFolder(HERE), SINGLE_RUN),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, dict) else "",
)
def test_every_file_has_its_name(folder: object, names: dict[str, str]) -> None:
    files = {name for kind in type(folder).__mro__ for name, it in vars(kind).items() if isinstance(it, Below)}
    assert {name: getattr(folder, name) for name in files} == {name: HERE / file for name, file in names.items()}


def test_parts_of_a_search_have_their_names() -> None:
    folder = SearchFolder(HERE)
    assert folder.finalist("t0007", 1_000_001) == RunFolder(HERE / "finalists/t0007/seed-1000001")
    assert folder.length_run("t0007", 6, 1_000_001) == RunFolder(HERE / "lengths/t0007/6-epochs/seed-1000001")
    assert folder.refit(2) == RefitFolder(HERE / "best/seed-2")
    assert folder.report_picture("heat_maps") == HERE / "report/heat_maps.png"
    assert folder.report_drawing("trials") == HERE / "report/trials.svg"


def test_trials_and_checkpoints_have_their_names() -> None:
    assert (trial_name(0), trial_name(7), trial_name(12345)) == ("t0000", "t0007", "t12345")
    assert (attempt_name(7, 0), attempt_name(7, 12)) == ("t0007", "t0007.12")
    assert checkpoint_folder(12) == "checkpoint_000012"
    assert checkpoint_folder(12).startswith(CHECKPOINT_PREFIX)
    assert checkpoint_file(HERE) == HERE / "checkpoint.pt"


def test_attempts_come_by_number_in_their_order(tmp_path: Path) -> None:
    folder = SearchFolder(tmp_path)
    assert folder.all_attempts() == {}
    for name in ("t0010", "t0002.10", "t0002.9", "t0002", "t0002.1", "tuner", "tx", "txt", "t00x2"):
        (folder.trials / name).mkdir(parents=True)
    (folder.trials / "t0003").touch()  # no folder
    attempts = {
        number: [attempt.path.name for attempt in attempts] for number, attempts in folder.all_attempts().items()
    }
    assert attempts == {2: ["t0002", "t0002.1", "t0002.9", "t0002.10"], 10: ["t0010"]}
    assert list(attempts) == [2, 10]
    assert [attempt.path.name for attempt in folder.attempts(10)] == ["t0010"]
    assert folder.attempts(3) == []


def test_what_there_is_several_times_is_found(tmp_path: Path) -> None:
    folder, trial = SearchFolder(tmp_path), TrialFolder(tmp_path / "trials/t0000")
    assert (list(folder.refits()), folder.report_pictures(), trial.checkpoints()) == ([], [], [])
    for name in ("best/seed-1", "best/seed-0", "report", *(f"trials/t0000/checkpoint_00000{n}" for n in (2, 0))):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "best/winner.json").touch()
    for epoch in (0, 2):
        checkpoint_file(trial.path / checkpoint_folder(epoch)).touch()
    (trial.path / checkpoint_folder(4)).mkdir()  # without its file
    for name in ("b", "a"):
        folder.report_picture(name).touch()
    folder.report_page.touch()
    assert list(folder.refits()) == [folder.refit(0), folder.refit(1)]
    assert folder.report_pictures() == [folder.report_picture("a"), folder.report_picture("b")]
    assert trial.checkpoints() == [checkpoint_file(trial.path / checkpoint_folder(epoch)) for epoch in (0, 2)]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("search.yaml", "read"),
        ("study.log", "growing last"),
        ("trials/t0000/params.json", "read"),
        ("trials/t0000/result.json", "growing read"),
        ("trials/t0000.1/checkpoint_000002/checkpoint.pt", "last by_workers"),
        ("trials/tuner.pkl", "not_copied"),
        ("trials/experiment_state-2026.json", "not_copied"),
        ("finalists/t0000/seed-1000000/metrics.jsonl", "read"),
        ("finalists/t0000/seed-1000000/checkpoint.pt", "last"),
        ("lengths/t0000/6-epochs/seed-1000000/metrics.jsonl", "read"),
        ("lengths/t0000/6-epochs/seed-1000000/checkpoint.pt", "last"),
        ("best/seed-0/checkpoint.pt", "last read"),
        ("tensorboard/t0000/events.out", ""),
        ("wandb/offline-run-1/run-1.wandb", ""),
        ("mlflow.db", ""),
        ("tracked.jsonl", "growing last"),
        ("report/index.html", "read"),
        ("metrics.jsonl", "read"),
        ("checkpoint.pt", "last read"),
    ],
)
def test_how_a_file_is_copied(name: str, kinds: str) -> None:
    base = name.rpartition("/")[2]
    found = {
        "growing": base in LAYOUT.growing,
        "last": base in LAYOUT.last,
        "not_copied": LAYOUT.not_copied(name),
        "by_workers": LAYOUT.by_workers(name),
        "read": LAYOUT.read(name),
    }
    assert {kind for kind, it_is in found.items() if it_is} == set(kinds.split())
