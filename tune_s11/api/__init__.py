"""The public Python API: searches and their winners. ``tune_s11`` exports all of it."""

from tune_s11.api.reading import SearchSnapshot, load_best, load_search
from tune_s11.api.search import Search
from tune_s11.lr_range.any_model import LRRange, lr_range_test
from tune_s11.training.driving import drive
from tune_s11.training.schedule import OneCycle, Triangular

__all__ = [
    "LRRange",
    "OneCycle",
    "Search",
    "SearchSnapshot",
    "Triangular",
    "drive",
    "load_best",
    "load_search",
    "lr_range_test",
]
