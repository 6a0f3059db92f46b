"""The report's sections: each is a module with a template of the same name next to it.

To add one, add these two files. Nothing else names them.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, Protocol, cast

from tune_s11.report.builder import ReportBuilder, RunBuilder, SearchBuilder
from tune_s11.results import RunResult, SearchResult


class Section(Protocol):
    """A module of this folder."""

    PLACE: int
    """Position of the section: sections appear on the page in the order of these numbers."""
    SHOWN_IN: type[ReportBuilder]
    """Kind of report that has the section."""

    def add(self, report: Any) -> None:
        """Add the section's numbers and figures to a report."""


def sections_of(kind: type[ReportBuilder]) -> dict[str, Section]:
    """Return the sections of a kind of report, by name, in the order of the page."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    found = {name: cast("Section", importlib.import_module(f"{__name__}.{name}")) for name in names}
    shown = {name: section for name, section in found.items() if issubclass(kind, section.SHOWN_IN)}
    return dict(sorted(shown.items(), key=lambda item: item[1].PLACE))


def gather(
    result: SearchResult | RunResult,
    layer: str | None = None,
    commands: Mapping[str, str] | None = None,
    target: float | None = None,
) -> ReportBuilder:
    """Collect everything that the report on a search or a single run shows.

    Args:
        result: A search or run that is finished, interrupted or running.
        layer: Module from whose output heat maps are computed; see :func:`tune_s11.report.gradcam.heat_maps`.
        commands: Shell commands to show; see :class:`tune_s11.report.builder.SearchBuilder` and ``RunBuilder``.
        target: Accuracy at which figures draw a line; None: the search's or run's own.
    """
    report: ReportBuilder
    if isinstance(result, SearchResult):
        line = result.config.search.target_line if target is None else target
        report = SearchBuilder(result, layer, commands or {}, line)
    else:
        line = result.run.options.target_line if target is None else target
        report = RunBuilder(result, layer, commands or {}, line)
    for section in sections_of(type(report)).values():
        section.add(report)
    return report
