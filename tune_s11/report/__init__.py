"""Writes the report on a search or a single run: page, pictures and numbers. Only this package uses matplotlib."""

from tune_s11.report.page import write_report

__all__ = ["write_report"]
