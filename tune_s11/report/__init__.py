"""The report on a search: ``python -m tune_s11.report best``. The only user of matplotlib."""

from tune_s11.report.commands import app
from tune_s11.report.page import write_report

__all__ = ["app", "write_report"]
