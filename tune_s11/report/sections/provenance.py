"""Provenance: how the results were obtained, and what the report could not show."""

from tune_s11.report.builder import ReportBuilder, SearchBuilder

PLACE = 100
SHOWN_IN = ReportBuilder


def add(report: ReportBuilder) -> None:
    """Add ``manifest``."""
    report.numbers["manifest"] = report.manifest
    if isinstance(report, SearchBuilder) and not report.manifest:
        report.leave_out("the provenance", f"{report.search.folder.manifest} is missing or damaged")
