"""Entry points of ``run_search.py`` and ``tune-s11``."""

from tune_s11.cli.app import new_app, run
from tune_s11.cli.search import search


def run_search() -> None:
    """Run the command line of ``run_search.py``."""
    app = new_app("Search for the best S11 recipe.")
    app.command()(search)
    run(app, "run_search.py")


def main() -> None:
    """Run the command line of ``tune-s11``."""
    from tune_s11.cli import export, lr, predict, report, schema, train

    app = new_app("Tune the S11 super-convergence recipe.", completion=True)
    app.command()(search)
    app.command("train")(train.train)
    app.command("lr")(lr.lr)
    app.command("predict")(predict.predict)
    app.command("export")(export.export)
    app.add_typer(report.app, name="report")
    app.command("schema")(schema.schema)
    run(app, "tune-s11")
