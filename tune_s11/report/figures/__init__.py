"""Draws the report's figures: each function takes plain data and returns a new matplotlib figure, without pyplot."""

from tune_s11.report.figures.canvas import png
from tune_s11.report.figures.compare import draw_comparison
from tune_s11.report.figures.lengths import draw_lengths
from tune_s11.report.figures.lr import draw_range_test, draw_schedule
from tune_s11.report.figures.parameters import draw_importances, draw_parallel, draw_slices
from tune_s11.report.figures.predictions import draw_confusion, draw_heat_maps, draw_reliability
from tune_s11.report.figures.search import draw_best_so_far, draw_timeline
from tune_s11.report.figures.svg import save, svg
from tune_s11.report.figures.training import draw_changes, draw_learning_curves, draw_trials

__all__ = [
    "draw_best_so_far",
    "draw_changes",
    "draw_comparison",
    "draw_confusion",
    "draw_heat_maps",
    "draw_importances",
    "draw_learning_curves",
    "draw_lengths",
    "draw_parallel",
    "draw_range_test",
    "draw_reliability",
    "draw_schedule",
    "draw_slices",
    "draw_timeline",
    "draw_trials",
    "png",
    "save",
    "svg",
]
