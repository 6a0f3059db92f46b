"""The report's sections. Each module adds its numbers and pictures to the contents."""

from collections.abc import Mapping

from tune_s11.report.contents import Contents, RunContents, SearchContents
from tune_s11.report.sections import (
    learning_rate,
    overview,
    pruning,
    single_run,
    test_curve,
    test_images,
    trials,
    winner,
)
from tune_s11.results import RunResult, SearchResult

OF_SEARCH = (overview, learning_rate, trials, pruning, winner, test_curve, test_images)
"""In the order in which they need one another."""

OF_RUN = (single_run, test_curve, test_images)
"""The same of a single run."""


def gather(
    result: SearchResult | RunResult,
    layer: str,
    commands: Mapping[str, str] | None = None,
    target: float | None = None,
) -> Contents:
    """Everything that the report on a search or a single run shows.

    Args:
        result: Finished, interrupted or running.
        layer: Whose output the heat maps weigh; see :func:`tune_s11.report.gradcam.heat_maps`.
        commands: Shell commands to show; see :class:`tune_s11.report.contents.SearchContents` and its sibling.
        target: Accuracy to draw a line at; None: what the search or run says of it.
    """
    contents: Contents
    if isinstance(result, SearchResult):
        line = result.config.search.target_line if target is None else target
        contents = SearchContents(result, layer, commands or {}, line)
    else:
        line = result.run.options.target_line if target is None else target
        contents = RunContents(result, layer, commands or {}, line)
    for section in OF_SEARCH if isinstance(result, SearchResult) else OF_RUN:
        section.add(contents)
    return contents
