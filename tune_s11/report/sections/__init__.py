"""The report's sections. Each module adds its numbers and pictures to the report."""

from collections.abc import Mapping

from tune_s11.report.builder import ReportBuilder, RunBuilder, SearchBuilder
from tune_s11.report.sections import (
    learning_rate,
    overview,
    predictions,
    pruning,
    single_run,
    train_test,
    trials,
    winner,
)
from tune_s11.results import RunResult, SearchResult

OF_SEARCH = (overview, learning_rate, trials, pruning, winner, train_test, predictions)
"""In the order in which they need one another."""

OF_RUN = (single_run, train_test, predictions)
"""The same of a single run."""


def gather(
    result: SearchResult | RunResult,
    layer: str,
    commands: Mapping[str, str] | None = None,
    target: float | None = None,
) -> ReportBuilder:
    """Everything that the report on a search or a single run shows.

    Args:
        result: Finished, interrupted or running.
        layer: Whose output the heat maps weigh; see :func:`tune_s11.report.gradcam.heat_maps`.
        commands: Shell commands to show; see :class:`tune_s11.report.builder.SearchBuilder` and its sibling.
        target: Accuracy to draw a line at; None: what the search or run says of it.
    """
    report: ReportBuilder
    if isinstance(result, SearchResult):
        line = result.config.search.target_line if target is None else target
        report = SearchBuilder(result, layer, commands or {}, line)
    else:
        line = result.run.options.target_line if target is None else target
        report = RunBuilder(result, layer, commands or {}, line)
    for section in OF_SEARCH if isinstance(result, SearchResult) else OF_RUN:
        section.add(report)
    return report
