"""Whatever a space file or a command line holds: a valid configuration, or one line; never a traceback, never code."""

import contextlib
import io
import string
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tune_s11.cli import main, report, train
from tune_s11.config import SEARCHABLE, InputError, Recipe, RefitChanges, SearchSettings
from tune_s11.search import session
from tune_s11.search_space import SearchConfig, load_space, parse_space

OFTEN, DEEP = 200, 2000


def fuzz(strategy: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Runs a test over :data:`OFTEN` examples, and marked ``slow`` over :data:`DEEP`."""

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @pytest.mark.parametrize("examples", [OFTEN, pytest.param(DEEP, marks=pytest.mark.slow)])
        def run(examples: int, place: Path) -> None:
            given(strategy)(settings(max_examples=examples)(lambda value: test(place, value)))()

        run.__doc__, run.__name__ = test.__doc__, test.__name__
        return run

    return decorate


class ReachedError(Exception):
    """The command line is valid: what would take its time begins here."""


def reached(*_: object, **__: object) -> None:
    raise ReachedError


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in; searches and training begin no more there, and a bomb that goes off leaves a crater."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session.Session, "run", reached)
    monkeypatch.setattr("tune_s11.data.load_dataset", reached)  # of train and lr, which import it when they run
    monkeypatch.setattr("webbrowser.open", reached)
    return tmp_path


# Space files.

BOMBS = st.sampled_from(
    [
        "!!python/object/apply:os.system ['touch crater']",
        "!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [crater]]",
        "!!python/object/new:subprocess.Popen [[touch, crater]]",
        "!!python/name:os.system",
        "!!python/module:antigravity",
        '\'__import__("os").system("touch crater")\'',
        "os:system",
        "&a [*a, *a]",
        "*nowhere",
        "<<: {width: 8}",
    ]
)
SCALARS = (
    st.sampled_from(["range_test", "1e-4", "0.1", "8", ".nan", "-.inf", "~", "yes", "2024-13-45", "0x1f", "1:30", "'"])
    | st.integers().map(str)
    | st.floats().map(str)
    | st.text(string.printable, max_size=6)
    | BOMBS
)
KEYS = st.sampled_from(
    [
        *("recipe", "space", "search", "refit", "uniform", "loguniform", "choice"),
        *Recipe.model_fields,
        *SearchSettings.model_fields,
        *RefitChanges.model_fields,
    ]
)
NODES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda each: "[" + ", ".join(each) + "]")
        | st.lists(st.tuples(KEYS | SCALARS, inner), max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=8,
)
DOMAINS = st.tuples(
    st.sampled_from(["uniform", "loguniform", "choice"]), st.lists(SCALARS, min_size=1, max_size=3)
).map(lambda each: f"{{{each[0]}: [{', '.join(each[1])}]}}")


def part(name: str, fields: list[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lines = st.lists(st.tuples(st.sampled_from(fields), values), max_size=3)
    return lines.map(lambda pairs: f"{name}:\n" + "".join(f"  {key}: {value}\n" for key, value in pairs))


FILES = (
    st.tuples(
        part("recipe", list(Recipe.model_fields), NODES) | st.just(""),
        part("space", list(SEARCHABLE), DOMAINS | NODES) | st.just(""),
        part("search", list(SearchSettings.model_fields), NODES) | st.just(""),
    ).map("".join)
    | NODES
    | st.lists(st.tuples(KEYS, NODES), max_size=4).map(lambda pairs: "\n".join(f"{k}: {v}" for k, v in pairs))
    | st.text()
    | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape"))
)


@fuzz(FILES)
def test_a_space_file_is_a_configuration_or_one_line(place: Path, text: str) -> None:
    file = place / "fuzzed.yaml"
    file.write_bytes(text.encode("utf-8", "surrogateescape" if max(text, default="") >= "\udc80" else "strict"))
    loaded = set(sys.modules)
    try:
        config = load_space(str(file))
    except InputError as error:
        line = str(error)
        assert line.isprintable()
        assert "fuzzed.yaml" in line
    else:
        assert isinstance(config, SearchConfig)
        assert parse_space(yaml.safe_load(config.to_yaml()), "") == config
    assert set(sys.modules) == loaded
    assert not (place / "crater").exists()


# Command lines.


HOSTILE = (
    st.sampled_from(
        ["", "-", "--", "-1", "0", "nan", "inf", "1e999", "..", "/", "/dev/null", "x" * 300, "a\nb", "\x1b[2J"]
    )
    | st.sampled_from(["quick", "s11", "8", "0.1", "auto", "bf16", "digits", "os:system", "results", "\udcff", "é"])
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
)
FIELDS = st.sampled_from([*Recipe.model_fields, *(f"search.{name}" for name in SearchSettings.model_fields)])
SETTINGS = st.tuples(FIELDS, HOSTILE).map("=".join)
OPTIONS = st.sampled_from(
    [
        *("--space", "--samples", "--gpus", "--trials-per-gpu", "--workers", "--data-dir", "--model", "--name"),
        *("--storage", "--seed", "--precision", "--lr-bounds", "--no-asha", "--resume", "--warm-start", "--no-report"),
        *(
            "--format",
            "--threads",
            "--trial",
            "--linear",
            "--out",
            "--json",
            "--csv",
            "--open",
            "--layer",
            "--cycles",
            "--period",
        ),
        *("--test", "--target-line"),
        *("--help", "--version", "--wrong"),
    ]
)
ARGUMENTS = st.lists(
    st.tuples(OPTIONS, HOSTILE).map(list)
    | st.tuples(OPTIONS).map(list)
    | st.tuples(st.just("--set"), SETTINGS | HOSTILE).map(list)
    | st.tuples(HOSTILE).map(list)
    | st.just(["--space", "quick"]),
    max_size=5,
).map(lambda groups: [word for group in groups for word in group])
MAINS = st.sampled_from(
    [
        (main.run_search, []),
        (main.main, ["search"]),
        (train.main, []),
        (main.main, ["lr"]),
        (main.main, ["predict"]),
        (main.main, ["export"]),
        *((report.main, [command]) for command in ("best", "trials", "compare", "lr", "zigzag")),
        (main.main, []),
    ]
)


@fuzz(st.tuples(MAINS, ARGUMENTS))
def test_a_command_line_is_valid_or_one_line(place: Path, line: Any) -> None:
    (run, command), rest = line
    before = set(place.rglob("*"))
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["program", *command, *rest])
        try:
            run()
        except ReachedError:
            return
        except SystemExit as exit:
            code = exit.code
    if code == 0:
        assert err.getvalue() == ""
        return
    assert code == 2
    assert out.getvalue() == ""
    assert err.getvalue().startswith("error: ")
    assert err.getvalue().endswith("\n")
    assert err.getvalue()[:-1].isprintable()
    assert set(place.rglob("*")) == before
    assert not (place / "crater").exists()
