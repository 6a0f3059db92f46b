"""The report's sections. Each module adds its numbers and pictures to the contents."""

from collections.abc import Mapping

from tune_s11.report.contents import Contents
from tune_s11.report.sections import learning_rate, overview, pruning, refit_curve, test_images, trials, winner
from tune_s11.results import SearchResult

SECTIONS = (overview, learning_rate, trials, pruning, winner, refit_curve, test_images)
"""In the order in which they need one another."""


def gather(search: SearchResult, layer: str, commands: Mapping[str, str] | None = None) -> Contents:
    """Everything that the report on a search shows.

    Args:
        search: Finished, interrupted or running.
        layer: Whose output the heat maps weigh; see :func:`tune_s11.report.gradcam.heat_maps`.
        commands: Shell commands to show; see :class:`tune_s11.report.contents.Contents`.
    """
    contents = Contents(search, layer, commands or {})
    for section in SECTIONS:
        section.add(contents)
    return contents
