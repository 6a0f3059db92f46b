"""The command line of the report: ``python -m tune_s11.report``."""

import csv
import json
import sys
import webbrowser
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from tune_s11.cli.app import new_app, run
from tune_s11.cli.hints import report_commands
from tune_s11.cli.options import RESULTS, StorageOption, TargetLineOption, fraction, whole_number
from tune_s11.cli.outcome import run_lines, search_lines
from tune_s11.config import InputError
from tune_s11.report.compare import CELLS, comparison, comparison_cells, read_compared, recorded_target
from tune_s11.report.page import write_report
from tune_s11.report.tables import ranked, trial_facts
from tune_s11.results import RunResult, load_result, load_search
from tune_s11.results.lr_range import read_range_test
from tune_s11.results.opening import publish
from tune_s11.search_space import RANGE_TEST
from tune_s11.text import say, short
from tune_s11.training.schedule import Triangular

app = new_app("Reports on a search or a single run.")

ResultArgument = Annotated[
    str | None, typer.Argument(metavar="[SEARCH|RUN]", help="Name or path (default: the latest).")
]
SearchArgument = Annotated[str | None, typer.Argument(metavar="[SEARCH]", help="Name or path (default: the latest).")]
OutOption = Annotated[Path, typer.Option("--out", help="Picture to write: SVG if its name ends in .svg, else PNG.")]


@app.command()
def best(
    name: ResultArgument = None,
    storage: StorageOption = RESULTS,
    target_line: TargetLineOption = None,
    layer: Annotated[
        str | None,
        typer.Option(
            "--layer",
            help="Dotted name of the module whose output Grad-CAM uses (default: the network's attribute "
            "gradcam_layer, else the last module that outputs maps).",
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Writes the report on a search or run."""
    result = load_result(name, storage)
    index = write_report(result, layer, report_commands(result), target_line)
    numbers = json.loads(result.folder.report_numbers.read_text("utf-8"))
    tell = partial(say, Console(highlight=False), copied=True)
    for line in run_lines(result, target_line) if isinstance(result, RunResult) else search_lines(numbers):
        tell(line)
    for gap in numbers["not_shown"]:
        tell(f"not shown: {gap['what']}: {gap['why']}")
    if "resume" in numbers["commands"]:
        tell(f"resume it with: {numbers['commands']['resume']}")
    tell(f"report: {index}")
    try:
        if published := publish(result.path, result.folder.report.name):
            tell(f"copied to {published}")
    except InputError as error:  # the user may be allowed to read but not to write
        tell(f"not copied: {error}")
    if show:
        webbrowser.open(index.resolve().as_uri())


@app.command()
def trials(
    name: SearchArgument = None,
    storage: StorageOption = RESULTS,
    target_line: Annotated[
        float | None,
        typer.Option(
            "--target-line",
            parser=fraction,
            metavar="ACCURACY",
            help="Also show the first epoch that reaches this accuracy, such as 0.9.",
        ),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print as CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Prints a search's trials, best first."""
    if as_csv and as_json:
        raise InputError("--csv --json: expected one of them")
    search = load_search(name, storage)
    target = search.config.search.target_line if target_line is None else target_line
    rows = [trial_facts(trial, target) for trial in ranked(search.trials)]
    params = list(dict.fromkeys(key for row in rows for key in row["params"]))
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    header = ["trial", "state", "epoch", "score", *([] if target is None else ["target_epoch"]), *params]
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([row.get(key, row["params"].get(key)) for key in header] for row in rows)
        return
    table = Table(box=None, pad_edge=False)
    for key in header:
        table.add_column(key, overflow="fold", justify="left" if key in {"trial", "state"} else "right")
    for row in rows:
        score = "" if row["score"] is None else f"{row['score']:.4f}"
        chosen = (short(row["params"][key]) if key in row["params"] else "" for key in params)
        reached = [] if target is None else [str(row["target_epoch"] or "")]
        table.add_row(row["trial"], row["state"], str(row["epoch"]), score, *reached, *chosen)
    _table_console().print(table)


def _table_console() -> Console:
    """Return a console for a table whose names are shown as they are. In a file or a pipe, lines need no wrapping."""
    return Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 200)


@app.command()
def compare(
    names: Annotated[list[str], typer.Argument(metavar="A [B ...]", help="Searches or runs, by name or path.")],
    storage: StorageOption = RESULTS,
    target_line: TargetLineOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write a picture: SVG if its name ends in .svg, else PNG.")
    ] = None,
) -> None:
    """Compares runs and winners of searches side by side."""
    if out is not None:
        _check_out(out)
    compared = read_compared(names, storage)
    target = recorded_target(compared) if target_line is None else target_line
    found = comparison(compared, target)
    if out is not None:
        from tune_s11.report import figures

        figures.save(figures.draw_comparison(compared, found["level"], target), out)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    table = Table(box=None, pad_edge=False)
    for key in CELLS:
        table.add_column(key, overflow="fold", justify="left" if key in CELLS[:4] else "right")
    for row in found["runs"]:
        table.add_row(*comparison_cells(row))
    _table_console().print(table)
    print(
        "raw, EMA: accuracy of these weights after the last epoch; best: highest accuracy of a validated run "
        "(EMA, else raw), with its epoch"
    )
    if found["level"] is not None:
        print(f"to level: first epoch that reaches {found['level']:.4f}, the lowest final accuracy (EMA, else raw)")
    if target is not None:
        print(f"to target: first epoch that reaches {target:g} (EMA, else raw)")
    if found["differ"]:
        print(f"not judged on the same images; they differ in: {', '.join(found['differ'])}")
    if out is not None:
        print(f"picture: {out}")


@app.command()
def lr(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[SEARCH|FILE]", help="A search, or the file of a range test (default: the latest search)."
        ),
    ] = None,
    storage: StorageOption = RESULTS,
    out: OutOption = Path("lr_range.png"),
) -> None:
    """Draws an LR range test."""
    _check_out(out)
    winner = None
    if source is not None and Path(source).is_file():
        path = Path(source)
    else:
        search = load_search(source, storage)
        path, winner = search.folder.range_test, search.winner
        if not path.exists():
            why = "is not there yet" if RANGE_TEST in search.config.space.values() else "was not wanted"
            raise InputError(f"{search.name}: its range test {why}; expected a search with one, or the file of one")
    measured = read_range_test(path)
    bounds = measured.bounds
    max_lr = None if winner is None else bounds.comparable(winner.recipe.max_lr, winner.recipe.momentum)
    from tune_s11.report import figures

    figures.save(figures.draw_range_test(measured, max_lr), out)
    for name, rate in measured.suggestions.items():
        print(f"{name:12s} {rate:.4g}")
    at = "" if bounds.momentum is None else f" at momentum {bounds.momentum:g}"
    print(f"max_lr bounds {bounds.low:.4g} to {bounds.high:.4g}{at}")
    print(f"picture: {out}")


@app.command()
def zigzag(
    cycles: Annotated[int, typer.Option("--cycles", parser=whole_number(1, 1000), metavar="N", help="Periods.")] = 3,
    out: OutOption = Path("zigzag.png"),
    min_lr: Annotated[float, typer.Option("--min-lr", help="Lowest learning rate.")] = 0.004,
    max_lr: Annotated[float, typer.Option("--max-lr", help="Peak learning rate.")] = 0.4,
    period: Annotated[float, typer.Option("--period", help="Epochs of one cycle, up and down.")] = 10.0,
) -> None:
    """Draws the triangular schedule, which rises and falls repeatedly."""
    _check_out(out)
    if not 0 <= min_lr < max_lr < float("inf"):
        raise InputError(f"--min-lr {min_lr:g} --max-lr {max_lr:g}: expected 0 <= min_lr < max_lr")
    if not 0 < period < float("inf"):
        raise InputError(f"--period {period:g}: must be more than 0 epochs")
    from tune_s11.report import figures

    schedule = Triangular(min_lr, max_lr, period)
    epochs = np.linspace(0, cycles * period, 200 * cycles + 1)
    title = f"Triangular schedule, {cycles} cycles of {period:g} epochs"
    figure = figures.draw_schedule(epochs, np.array([schedule.lr(epoch) for epoch in epochs]), title=title)
    figures.save(figure, out)
    print(f"picture: {out}")


def _check_out(out: Path) -> None:
    if not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {out.parent}")
    if out.is_dir():
        raise InputError(f"--out {out}: is a folder; expected a file to write")


def main() -> None:
    """Run the command line of ``python -m tune_s11.report``."""
    run(app, "python -m tune_s11.report")
