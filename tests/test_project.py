"""What is said about the project in several files is the same in all."""

import tomllib
from pathlib import Path

import yaml

import tune_s11

ROOT = Path(__file__).parents[1]


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {tune_s11.__version__, project["version"], citation["version"]} == {project["version"]}
    assert citation["license"] == project["license"]
    assert citation["authors"] == project["authors"]


def test_the_workflow_is_the_check_that_anyone_can_run() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
