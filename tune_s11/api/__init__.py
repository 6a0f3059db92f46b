"""The public API: searches and their winners, from Python. ``tune_s11`` hands all of it out."""

from tune_s11.api.reading import SearchSnapshot, load_best, load_search
from tune_s11.api.search import Search
from tune_s11.lr_range.any_model import LRRange, lr_range_test
from tune_s11.training.schedule import OneCycle, Triangular, drive

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
