"""The report on a search: pages, pictures and their numbers. The only user of matplotlib."""

from tune_s11.report.page import write_report

__all__ = ["write_report"]
