"""Entry point of ``python -m tune_s11.report``."""

from tune_s11.console import run
from tune_s11.report.commands import app

if __name__ == "__main__":
    run(app, "python -m tune_s11.report")
